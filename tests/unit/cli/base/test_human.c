/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "cli/base/human.h"

static void sizes_have_one_decimal_and_binary_units(void **state)
{
	char text[RJ_CLI_HUMAN_BYTES];

	(void)state;
	assert_string_equal(rj_cli_human_size(0, text), "0 B");
	assert_string_equal(rj_cli_human_size(1023, text), "1023 B");
	assert_string_equal(rj_cli_human_size(1024, text), "1.0 KiB");
	assert_string_equal(rj_cli_human_size(1536, text), "1.5 KiB");
	assert_string_equal(rj_cli_human_size((1u << 20) - 1, text), "1.0 MiB");
	assert_string_equal(rj_cli_human_size(1023u << 10, text), "1023 KiB");
	assert_string_equal(rj_cli_human_size(99u << 10, text), "99.0 KiB");
	assert_string_equal(rj_cli_human_size(200u << 20, text), "200 MiB");
	assert_string_equal(rj_cli_human_size(UINT64_C(12) << 40, text),
			    "12.0 TiB");
	assert_string_equal(rj_cli_human_size(UINT64_MAX, text), "16.0 EiB");
	assert_string_equal(rj_cli_human_rate(1u << 30, text), "1.0 GiB/s");
	assert_string_equal(rj_cli_human_rate(UINT64_MAX, text), "16.0 EiB/s");
}

static void times_choose_their_unit(void **state)
{
	char text[RJ_CLI_HUMAN_BYTES];

	(void)state;
	assert_string_equal(rj_cli_human_time(0, text), "0.0 ms");
	assert_string_equal(rj_cli_human_time(1, text), "1 us");
	assert_string_equal(rj_cli_human_time(12345, text), "12.3 ms");
	assert_string_equal(rj_cli_human_time(999949, text), "999.9 ms");
	assert_string_equal(rj_cli_human_time(999950, text), "1.0 s");
	assert_string_equal(rj_cli_human_time(61000000, text), "61.0 s");
	assert_string_equal(rj_cli_human_time(125000000, text), "2 m 05 s");
	assert_true(strlen(rj_cli_human_time(UINT64_MAX, text)) <
		    RJ_CLI_HUMAN_BYTES - 1);
}

static void spans_share_a_unit(void **state)
{
	char text[RJ_CLI_HUMAN_BYTES];

	(void)state;
	assert_string_equal(rj_cli_human_span(1234, 5678, text), "1.2-5.7 ms");
	assert_string_equal(rj_cli_human_span(0, 12000, text), "0.0-12 ms");
	assert_string_equal(rj_cli_human_span(120000, 180000, text),
			    "120-180 ms");
	assert_string_equal(rj_cli_human_span(900000, 12000000, text),
			    "0.9-12 s");
	assert_string_equal(rj_cli_human_span(1, UINT64_MAX, text),
			    "over 999 s");
}

static void counts_are_grouped(void **state)
{
	char text[RJ_CLI_HUMAN_BYTES];

	(void)state;
	assert_string_equal(rj_cli_human_count(0, text), "0");
	assert_string_equal(rj_cli_human_count(999, text), "999");
	assert_string_equal(rj_cli_human_count(1000, text), "1,000");
	assert_string_equal(rj_cli_human_count(262144, text), "262,144");
	assert_string_equal(rj_cli_human_count(UINT64_MAX, text),
			    "18,446,744,073,709,551,615");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_have_one_decimal_and_binary_units),
		cmocka_unit_test(times_choose_their_unit),
		cmocka_unit_test(spans_share_a_unit),
		cmocka_unit_test(counts_are_grouped),
	};

	return cmocka_run_group_tests_name("human", tests, NULL, NULL);
}
