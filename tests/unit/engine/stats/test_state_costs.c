/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/stats/state_costs.h"

static void without_a_try_the_other_figure_counts(void **state)
{
	const struct rj_state_cost cost = { 0 };

	(void)state;
	assert_int_equal(rj_state_cost_us(&cost, 300), 300);
}

/* Also when it took no time at all. */
static void a_try_counts(void **state)
{
	struct rj_state_cost cost = { 0 };

	(void)state;
	rj_state_cost_learn(&cost, 0);
	assert_int_equal(rj_state_cost_us(&cost, 300), 0);
	rj_state_cost_learn(&cost, 270000);
	assert_int_equal(rj_state_cost_us(&cost, 300), 270000);
}

/* It took that long once: it may again. */
static void a_long_one_is_forgotten_slowly(void **state)
{
	struct rj_state_cost cost = { 0 };

	(void)state;
	rj_state_cost_learn(&cost, 10000);
	rj_state_cost_learn(&cost, 2000);
	assert_int_equal(rj_state_cost_us(&cost, 0), 8000);
	rj_state_cost_learn(&cost, 2000);
	assert_int_equal(rj_state_cost_us(&cost, 0), 6500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_try_the_other_figure_counts),
		cmocka_unit_test(a_try_counts),
		cmocka_unit_test(a_long_one_is_forgotten_slowly),
	};

	return cmocka_run_group_tests_name("state costs", tests, NULL, NULL);
}
