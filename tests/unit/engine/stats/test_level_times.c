/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/stats/level_times.h"

static void times_of_a_level_add_up(void **state)
{
	struct rj_level_times times = { 0 };

	(void)state;
	rj_level_times_add(&times, INT32_MIN, 5);
	rj_level_times_add(&times, -1, 7);
	rj_level_times_add(&times, INT32_MIN, 6);
	assert_int_equal(times.count, 2);
	assert_int_equal(times.times[0].level, INT32_MIN);
	assert_int_equal(times.times[0].ns, 11);
	assert_int_equal(times.times[1].ns, 7);
}

static void more_levels_than_zstd_has_are_passed_by(void **state)
{
	struct rj_level_times times = { 0 };

	(void)state;
	for (int32_t level = 0; level < 100; level++)
		rj_level_times_add(&times, level, 1);
	assert_int_equal(times.count, RJ_LEVEL_TIMES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_of_a_level_add_up),
		cmocka_unit_test(more_levels_than_zstd_has_are_passed_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
