/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "engine/guest/params.h"

static void nothing_given_means_the_defaults(void **state)
{
	const struct ramjet_params defaults = { RAMJET_PARAMS_INIT };
	struct ramjet_params params;

	(void)state;
	assert_int_equal(rj_params_load(NULL, &params, NULL), 0);
	assert_int_equal(params.size, sizeof(params));
	assert_int_equal(params.channels, 0);
	assert_int_equal(params.backend, RAMJET_BACKEND_AUTO);
	assert_int_equal(params.bandwidth_bytes_per_s, 0);
	assert_int_equal(params.downtime_limit_us, defaults.downtime_limit_us);
	assert_int_equal(params.connect_timeout_ms,
			 defaults.connect_timeout_ms);
	assert_int_equal(params.reply_timeout_ms, defaults.reply_timeout_ms);
	assert_int_equal(params.state_bytes_max, defaults.state_bytes_max);
	assert_false(params.verify || params.hold || params.strict);
	assert_null(params.log);
}

static void what_is_given_is_taken(void **state)
{
	struct ramjet_params given = {
		RAMJET_PARAMS_INIT,
		.backend = RAMJET_BACKEND_SYSCALLS,
		.bandwidth_bytes_per_s = 17,
		.verify = true,
		.hold = true,
		.strict = true,
	};
	struct ramjet_params params;

	(void)state;
	given.channels = RAMJET_CHANNELS_MAX;
	assert_int_equal(rj_params_load(&given, &params, NULL), 0);
	assert_int_equal(params.channels, RAMJET_CHANNELS_MAX);
	assert_int_equal(params.backend, RAMJET_BACKEND_SYSCALLS);
	assert_int_equal(params.bandwidth_bytes_per_s, 17);
	assert_true(params.verify && params.hold && params.strict);
}

static void refuse(const struct ramjet_params *given, int code)
{
	struct ramjet_params params = { .channels = 4711 };
	struct ramjet_error err = { 0 };

	assert_int_equal(rj_params_load(given, &params, &err), code);
	assert_int_equal(err.code, code);
	assert_true(*err.message);
	assert_int_equal(params.channels, 4711);
}

static void values_out_of_range_are_refused(void **state)
{
	struct ramjet_params given = { RAMJET_PARAMS_INIT };

	(void)state;
	given.channels = RAMJET_CHANNELS_MAX + 1;
	refuse(&given, -EINVAL);
	given = (struct ramjet_params){ RAMJET_PARAMS_INIT };
	given.backend = RAMJET_BACKEND_SYSCALLS + 1;
	refuse(&given, -EINVAL);
	given = (struct ramjet_params){ RAMJET_PARAMS_INIT };
	given.numa = RAMJET_NUMA_OFF + 1;
	refuse(&given, -EINVAL);
	given = (struct ramjet_params){ 0 };
	refuse(&given, -EINVAL);
}

#define WITH(member_, value_)                           \
	{                                               \
		RAMJET_PARAMS_INIT, .member_ = (value_) \
	}

static void what_is_sent_less_is_checked(void **state)
{
	static const struct {
		struct ramjet_params given;
		const char *says; /* NULL: fine */
	} cases[] = {
		{ WITH(compression, RAMJET_COMPRESSION_ZSTD), NULL },
		{ WITH(compression, 3), "compression: unknown value 3, wanted "
					"0 (auto), 1 (none) or 2 (zstd)" },
		{ WITH(deltas, RAMJET_DELTAS_OFF), NULL },
		{ WITH(deltas, 2), "deltas: unknown value 2" },
		{ WITH(hot_pages, RAMJET_HOT_PAGES_IN_TURN), NULL },
		{ WITH(hot_pages, 2), "hot pages: unknown value 2" },
		{ WITH(compression_cpu_percent, 100), NULL },
		{ WITH(compression_cpu_percent, 101),
		  "compression: 101 % of a worker's time, wanted 1 to 100" },
	};
	static const int32_t fine[] = { -7, 0, 20 };
	static const int32_t bad[] = { INT32_MIN, -8, 21, INT32_MAX };
	struct ramjet_params given = { RAMJET_PARAMS_INIT }, params;
	struct ramjet_error err;

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(cases); i++) {
		err = (struct ramjet_error){ 0 };
		assert_int_equal(rj_params_load(&cases[i].given, &params, &err),
				 cases[i].says ? -EINVAL : 0);
		if (cases[i].says)
			assert_non_null(strstr(err.message, cases[i].says));
	}
	for (size_t i = 0; i < RJ_ARRAY_SIZE(fine); i++) {
		given.compression_level = given.compression_level_max = fine[i];
		assert_int_equal(rj_params_load(&given, &params, NULL), 0);
		assert_int_equal(params.compression_level, fine[i]);
	}
	for (size_t i = 0; i < RJ_ARRAY_SIZE(bad); i++) {
		err = (struct ramjet_error){ 0 };
		given.compression_level = bad[i];
		given.compression_level_max = 1;
		assert_int_equal(rj_params_load(&given, &params, &err),
				 -EINVAL);
		assert_non_null(strstr(err.message, "wanted -7 to 20"));
		err = (struct ramjet_error){ 0 };
		given.compression_level = 1;
		given.compression_level_max = bad[i];
		assert_int_equal(rj_params_load(&given, &params, &err),
				 -EINVAL);
		assert_non_null(strstr(err.message, "highest"));
	}
}

/* As from a caller built against a later ramjet.h. */
struct later_params {
	struct ramjet_params params;
	uint64_t later;
};

static void a_later_caller_is_served_unless_it_wants_more(void **state)
{
	struct later_params given = { .params = { RAMJET_PARAMS_INIT } };
	struct ramjet_params params;

	(void)state;
	given.params.size = sizeof(given);
	given.params.channels = 3;
	assert_int_equal(rj_params_load(&given.params, &params, NULL), 0);
	assert_int_equal(params.channels, 3);
	assert_int_equal(params.size, sizeof(params));
	given.later = 1;
	refuse(&given.params, -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_given_means_the_defaults),
		cmocka_unit_test(what_is_given_is_taken),
		cmocka_unit_test(values_out_of_range_are_refused),
		cmocka_unit_test(what_is_sent_less_is_checked),
		cmocka_unit_test(a_later_caller_is_served_unless_it_wants_more),
	};

	return cmocka_run_group_tests_name("params", tests, NULL, NULL);
}
