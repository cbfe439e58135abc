/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/send/rungs.h"

static void expect_levels(int32_t highest, const int32_t *levels,
			  unsigned count)
{
	struct rj_rungs rungs;

	rj_rungs_init(&rungs, highest);
	assert_int_equal(rungs.count, count + 1);
	assert_int_equal(rungs.rungs[0].level, RJ_LEVEL_OFF);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(rungs.rungs[i + 1].level, levels[i]);
}

static void rungs_go_up_to_the_level_that_is_allowed(void **state)
{
	static const int32_t lowest[] = { -7 }, usual[] = { -5, -1, 1, 3 },
			     odd[] = { -5, -1, 1, 2 },
			     all[] = { -5, -1, 1, 3, 6, 9, 12, 15, 19, 20 };

	(void)state;
	expect_levels(RJ_LEVEL_OFF, NULL, 0);
	expect_levels(-7, lowest, 1);
	expect_levels(3, usual, 4);
	expect_levels(2, odd, 4);
	expect_levels(20, all, 10);
}

static void untried_rungs_are_supposed_to_be_as_usual(void **state)
{
	struct rj_rungs rungs;

	(void)state;
	rj_rungs_init(&rungs, 3);
	rj_rungs_learn(&rungs, 1, 1000000, 578000, 1.5e6);
	assert_true(rungs.known);
	for (unsigned i = 2; i < rungs.count; i++) {
		const struct rj_rung *rung = &rungs.rungs[i];

		assert_true(rung->ratio < rung[-1].ratio);
		assert_true(rung->cost > rung[-1].cost);
		assert_false(rung->known);
	}
	/* of /usr: 0.418 at level 1 */
	assert_true(rungs.rungs[3].ratio > 0.40 && rungs.rungs[3].ratio < 0.44);
}

static void what_changes_in_the_pages_changes_all_rungs(void **state)
{
	struct rj_rungs rungs;
	struct rj_rung before;

	(void)state;
	rj_rungs_init(&rungs, 3);
	rj_rungs_learn(&rungs, 1, 1000000, 578000, 1.5e6);
	before = rungs.rungs[3];
	for (unsigned i = 0; i < 10; i++)
		rj_rungs_learn(&rungs, 1, 1000000, 300000, 1.0e6);
	assert_true(rungs.rungs[3].ratio < before.ratio * 0.6);
	assert_true(rungs.rungs[3].cost < before.cost * 0.8);
}

/* From what was next to nothing, none can be computed. */
static void after_hopeless_pages_it_is_supposed_anew(void **state)
{
	struct rj_rungs rungs;

	(void)state;
	rj_rungs_init(&rungs, 3);
	rj_rungs_learn(&rungs, 1, 1000000, 1000000, 1e5);
	assert_true(rungs.rungs[4].ratio > 0.99);
	rj_rungs_learn(&rungs, 1, 1000000, 500000, 1.5e6);
	assert_true(rungs.rungs[4].ratio > 0.25 && rungs.rungs[4].ratio < 0.5);
}

static void nothing_compressed_teaches_nothing(void **state)
{
	struct rj_rungs rungs;

	(void)state;
	rj_rungs_init(&rungs, 3);
	rj_rungs_learn(&rungs, 1, 0, 0, 0);
	assert_false(rungs.known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rungs_go_up_to_the_level_that_is_allowed),
		cmocka_unit_test(untried_rungs_are_supposed_to_be_as_usual),
		cmocka_unit_test(what_changes_in_the_pages_changes_all_rungs),
		cmocka_unit_test(after_hopeless_pages_it_is_supposed_anew),
		cmocka_unit_test(nothing_compressed_teaches_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
