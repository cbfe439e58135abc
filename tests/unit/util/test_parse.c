/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>

#include "util/parse.h"

static uint64_t size_of(const char *text)
{
	uint64_t value = 0;

	assert_int_equal(rj_parse_size("size", text, &value, NULL), 0);
	return value;
}

static void sizes_are_powers_of_1024(void **state)
{
	(void)state;
	assert_int_equal(size_of("4096"), 4096);
	assert_int_equal(size_of("1k"), 1024);
	assert_int_equal(size_of("512MiB"), 512u << 20);
	assert_int_equal(size_of("1.5G"), 1536ull << 20);
	assert_int_equal(size_of("12T"), 12ull << 40);
	assert_int_equal(size_of("0"), 0);
}

static void rates_also_come_in_bits(void **state)
{
	uint64_t value = 0;

	(void)state;
	assert_int_equal(rj_parse_rate("rate", "10gbit", &value, NULL), 0);
	assert_int_equal(value, 1250000000);
	assert_int_equal(rj_parse_rate("rate", "800kbit", &value, NULL), 0);
	assert_int_equal(value, 100000);
	assert_int_equal(rj_parse_rate("rate", "200M", &value, NULL), 0);
	assert_int_equal(value, 200u << 20);
	assert_int_equal(rj_parse_rate("rate", "1GiB/s", &value, NULL), 0);
	assert_int_equal(value, 1u << 30);
}

static void durations_need_their_unit(void **state)
{
	struct ramjet_error err = { 0 };
	uint64_t value = 0;

	(void)state;
	assert_int_equal(rj_parse_duration_us("d", "300ms", &value, NULL), 0);
	assert_int_equal(value, 300000);
	assert_int_equal(rj_parse_duration_us("d", "0.03s", &value, NULL), 0);
	assert_int_equal(value, 30000);
	assert_int_equal(rj_parse_duration_us("d", "2m", &value, NULL), 0);
	assert_int_equal(value, 120000000);
	assert_int_equal(rj_parse_duration_us("d", "1500ns", &value, NULL), 0);
	assert_int_equal(value, 2);
	assert_int_equal(rj_parse_duration_us("d", "0", &value, NULL), 0);
	assert_int_equal(value, 0);
	value = 7;
	assert_int_equal(rj_parse_duration_us("d", "300", &value, &err),
			 -EINVAL);
	assert_string_equal(err.message,
			    "d: '300' has no unit, wanted 300ms or 300s");
	err.code = 0;
	assert_int_equal(rj_parse_duration_us("d", "0.5", &value, &err),
			 -EINVAL);
	assert_string_equal(err.message,
			    "d: '0.5' has no unit, wanted 0.5ms or 0.5s");
	assert_int_equal(value, 7);
}

static void what_is_not_zero_never_becomes_zero(void **state)
{
	uint64_t value = 0;

	(void)state;
	assert_int_equal(rj_parse_duration_us("d", "1ns", &value, NULL), 0);
	assert_int_equal(value, 1);
	assert_int_equal(rj_parse_rate("r", "1bit", &value, NULL), 0);
	assert_int_equal(value, 1);
	assert_int_equal(rj_parse_size("s", "0.1", &value, NULL), 0);
	assert_int_equal(value, 1);
	assert_int_equal(rj_parse_duration_us("d", "0.0ns", &value, NULL), 0);
	assert_int_equal(value, 0);
}

static void malformed_text_is_refused_by_name(void **state)
{
	static const char *const bad[] = { "",    " ",   "G",    "-1",   "1x",
					   "1 G", "1e3", "0x10", "1..5", "." };
	struct ramjet_error err;
	uint64_t value = 7;

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(bad); i++) {
		err.code = 0;
		assert_int_equal(rj_parse_size("size", bad[i], &value, &err),
				 -EINVAL);
		assert_non_null(strstr(err.message, "size: '"));
		assert_int_equal(value, 7);
	}
	err.code = 0;
	assert_int_equal(rj_parse_size("s", "99999999999T", &value, &err),
			 -ERANGE);
}

static void whole_numbers_respect_their_range(void **state)
{
	struct ramjet_error err = { 0 };
	uint64_t value = 0;

	(void)state;
	assert_int_equal(rj_parse_uint("n", "16", 1, 16, &value, NULL), 0);
	assert_int_equal(value, 16);
	assert_int_equal(rj_parse_uint("n", "17", 1, 16, &value, &err),
			 -ERANGE);
	assert_string_equal(err.message,
			    "n: 17 is out of range, wanted 1 to 16");
	assert_int_equal(rj_parse_uint("n", "18446744073709551616", 0,
				       UINT64_MAX, &value, NULL),
			 -ERANGE);
	assert_int_equal(rj_parse_uint("n", "1.0", 0, 9, &value, NULL),
			 -EINVAL);
}

static void percentages_end_at_100(void **state)
{
	unsigned value = 0;

	(void)state;
	assert_int_equal(rj_parse_percent("p", "30%", &value, NULL), 0);
	assert_int_equal(value, 30);
	assert_int_equal(rj_parse_percent("p", "100", &value, NULL), 0);
	assert_int_equal(value, 100);
	assert_int_equal(rj_parse_percent("p", "101%", &value, NULL), -ERANGE);
	assert_int_equal(rj_parse_percent("p", "x%", &value, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(rates_also_come_in_bits),
		cmocka_unit_test(durations_need_their_unit),
		cmocka_unit_test(what_is_not_zero_never_becomes_zero),
		cmocka_unit_test(malformed_text_is_refused_by_name),
		cmocka_unit_test(whole_numbers_respect_their_range),
		cmocka_unit_test(percentages_end_at_100),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
