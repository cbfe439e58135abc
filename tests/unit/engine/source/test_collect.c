/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/source/collect.h"

#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

static void small_guests_need_nobody(void **state)
{
	(void)state;
	assert_int_equal(rj_collect_crew(16, 0), 1);
	assert_int_equal(rj_collect_crew(16, GIB), 1);
	assert_int_equal(rj_collect_crew(0, 12 * TIB), 1);
	assert_int_equal(rj_collect_crew(1, 12 * TIB), 1);
}

static void large_ones_have_all_cpus(void **state)
{
	(void)state;
	assert_int_equal(rj_collect_crew(2, 8 * GIB), 2);
	assert_int_equal(rj_collect_crew(16, 8 * GIB), 8);
	assert_int_equal(rj_collect_crew(16, TIB), 16);
	assert_int_equal(rj_collect_crew(1000, 12 * TIB), 64);
}

static void while_the_guest_runs_few_do(void **state)
{
	(void)state;
	assert_int_equal(rj_collect_running(2, 8 * GIB), 1);
	assert_int_equal(rj_collect_running(16, 63 * GIB), 1);
	assert_int_equal(rj_collect_running(16, 256 * GIB), 5);
	assert_int_equal(rj_collect_running(16, 12 * TIB), 16);
	assert_int_equal(rj_collect_running(1, 12 * TIB), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_guests_need_nobody),
		cmocka_unit_test(large_ones_have_all_cpus),
		cmocka_unit_test(while_the_guest_runs_few_do),
	};

	return cmocka_run_group_tests_name("collect", tests, NULL, NULL);
}
