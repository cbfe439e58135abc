/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <math.h>

#include "engine/forecast/dirt_model.h"

static void assert_near(double value, double wanted, double share)
{
	if (fabs(value - wanted) > share * wanted)
		fail_msg("%f, wanted %f within %.0f %%", value, wanted,
			 share * 100);
}

static void nothing_known_predicts_nothing(void **state)
{
	struct rj_dirt_model model = { 0 };

	(void)state;
	assert_true(rj_dirt_model_pages(&model, 1000) == 0);
	rj_dirt_model_add(&model, 0, 100);
	assert_int_equal(model.count, 0);
}

static void steady_writers_give_a_straight_line(void **state)
{
	struct rj_dirt_model model = { 0 };

	(void)state;
	for (unsigned i = 1; i <= 8; i++)
		rj_dirt_model_add(&model, i * 10000.0, i * 1000.0);
	assert_near(rj_dirt_model_pages(&model, 5000), 500, 0.05);
	assert_near(rj_dirt_model_pages(&model, 100000), 10000, 0.05);
}

static void saturated_sets_are_found_again(void **state)
{
	static const double at_us[] = { 1e6, 5e5, 2e5, 1e5, 5e4, 2e4, 1e4 };
	struct rj_dirt_model model = { 0 };

	(void)state;
	for (unsigned i = 0; i < 7; i++)
		rj_dirt_model_add(&model, at_us[i],
				  65536 * -expm1(-at_us[i] / 2e5));
	assert_near(model.set_pages, 65536, 0.1);
	assert_near(rj_dirt_model_pages(&model, 3e5), 65536 * -expm1(-1.5),
		    0.05);
	assert_near(rj_dirt_model_pages(&model, 1e7), 65536, 0.1);
}

static void the_newest_rounds_count_most(void **state)
{
	struct rj_dirt_model model = { 0 };

	(void)state;
	for (unsigned i = 1; i <= 8; i++)
		rj_dirt_model_add(&model, i * 10000.0, i * 10000.0);
	for (unsigned i = 0; i < 8; i++)
		rj_dirt_model_add(&model, 10000, 100);
	assert_near(rj_dirt_model_pages(&model, 10000), 100, 0.05);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_known_predicts_nothing),
		cmocka_unit_test(steady_writers_give_a_straight_line),
		cmocka_unit_test(saturated_sets_are_found_again),
		cmocka_unit_test(the_newest_rounds_count_most),
	};

	return cmocka_run_group_tests_name("dirt_model", tests, NULL, NULL);
}
