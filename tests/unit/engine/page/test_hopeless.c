/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/page/hopeless.h"
#include "engine/wire/wire.h"

#define GROUP ((uint64_t)RJ_GROUP_PAGES * RAMJET_PAGE_BYTES)

/* Of so many groups, all with this ratio, how many are tried? */
static unsigned tried(struct rj_hopeless *h, unsigned groups, double ratio)
{
	unsigned count = 0;

	for (unsigned i = 0; i < groups; i++) {
		uint32_t try;

		if (rj_hopeless_pass(h, RJ_GROUP_PAGES, &try))
			continue;
		count++;
		rj_hopeless_learn(h, GROUP, (uint64_t)((double)GROUP * ratio));
	}
	return count;
}

static void pages_that_get_smaller_are_all_tried(void **state)
{
	struct rj_hopeless h = { 0 };

	(void)state;
	assert_int_equal(tried(&h, 100, 0.6), 100);
}

static void hopeless_ones_once_in_32(void **state)
{
	struct rj_hopeless h = { 0 };

	(void)state;
	assert_in_range(tried(&h, 64, 1), 1, 7);
	assert_int_equal(tried(&h, 3200, 1), 100);
}

static void the_first_that_gets_smaller_ends_it(void **state)
{
	struct rj_hopeless h = { 0 };

	(void)state;
	(void)tried(&h, 1000, 1);
	assert_true(tried(&h, 100, 0.5) >= 100 - RJ_HOPELESS_SKIPS_MAX);
	assert_int_equal(tried(&h, 100, 0.5), 100);
	/* And it begins with one group again. */
	assert_true(tried(&h, 12, 1) >= 5);
}

static void one_odd_group_decides_nothing(void **state)
{
	struct rj_hopeless h = { 0 };

	(void)state;
	(void)tried(&h, 10, 0.5);
	assert_int_equal(tried(&h, 1, 1), 1);
	assert_int_equal(tried(&h, 10, 0.5), 10);
}

static void a_run_is_cut_where_passing_ends(void **state)
{
	struct rj_hopeless h = { 0 };
	uint32_t try;

	(void)state;
	assert_int_equal(rj_hopeless_pass(&h, 500, &try), 0);
	assert_int_equal(try, 500);
	rj_hopeless_learn(&h, GROUP, GROUP);
	assert_int_equal(rj_hopeless_pass(&h, 500, &try), RJ_GROUP_PAGES);
	assert_int_equal(rj_hopeless_pass(&h, 500, &try), 0);
	assert_int_equal(try, RJ_GROUP_PAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_that_get_smaller_are_all_tried),
		cmocka_unit_test(hopeless_ones_once_in_32),
		cmocka_unit_test(the_first_that_gets_smaller_ends_it),
		cmocka_unit_test(one_odd_group_decides_nothing),
		cmocka_unit_test(a_run_is_cut_where_passing_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
