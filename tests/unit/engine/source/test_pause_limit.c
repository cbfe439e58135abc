/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/source/pause_limit.h"

static uint64_t limit(uint64_t timeout_us, uint64_t downtime_us,
		      uint64_t predicted_us)
{
	const struct ramjet_params params = {
		.downtime_limit_us = downtime_us,
		.switchover_timeout_us = timeout_us,
	};

	return rj_pause_limit_us(&params, predicted_us);
}

static void unless_told_it_is_ten_limits_and_five_seconds(void **state)
{
	(void)state;
	assert_int_equal(limit(0, 1, 0), 5000000);
	assert_int_equal(limit(0, 500000, 0), 5000000);
	assert_int_equal(limit(0, 500001, 0), 5000010);
	assert_int_equal(limit(0, 300000000, 0), UINT64_C(3000000000));
	assert_int_equal(limit(0, UINT64_MAX, 0), UINT64_MAX);
}

/* Told to go at once, or at the best moment there is. */
static void a_pause_known_to_be_long_may_be_so(void **state)
{
	(void)state;
	assert_int_equal(limit(0, 300000, 2500000), 5000000);
	assert_int_equal(limit(0, 300000, 60000000), 120000000);
	assert_int_equal(limit(0, 300000, UINT64_MAX), UINT64_MAX);
}

static void what_is_told_is_taken(void **state)
{
	(void)state;
	assert_int_equal(limit(1, 300000, 60000000), 1);
	assert_int_equal(limit(UINT64_MAX, 300000, 0), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unless_told_it_is_ten_limits_and_five_seconds),
		cmocka_unit_test(a_pause_known_to_be_long_may_be_so),
		cmocka_unit_test(what_is_told_is_taken),
	};

	return cmocka_run_group_tests_name("pause_limit", tests, NULL, NULL);
}
