/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "cli/guest/pattern.h"
#include "util/compiler.h"

#define PAGES_MAX 4200

static void assert_bijective(uint64_t count, uint64_t key)
{
	static bool seen[PAGES_MAX];

	memset(seen, 0, sizeof(seen));
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = rj_cli_permute(i, count, key);

		assert_true(at < count);
		assert_false(seen[at]);
		seen[at] = true;
	}
}

static void permutations_visit_everything_once(void **state)
{
	static const uint64_t counts[] = { 1,   2,   3,   4,    5,    7,   8,
					   9,   63,  64,  65,   100,  255, 256,
					   257, 511, 999, 4096, 4097, 4200 };

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(counts); i++)
		for (uint64_t key = 0; key < 20; key++)
			assert_bijective(counts[i], rj_cli_mix(key, key));
}

static void keys_give_different_orders(void **state)
{
	unsigned same = 0;

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		same += rj_cli_permute(i, 1000, rj_cli_mix(1, 2)) ==
			rj_cli_permute(i, 1000, rj_cli_mix(3, 4));
	assert_in_range(same, 0, 20);
}

/* Replay write after write; at every stop each page must carry exactly what
 * the oracle says of it. */
static void assert_oracle(enum rj_cli_pattern pattern, uint64_t pages)
{
	struct rj_cli_walk walk = { .pages = pages,
				    .seed = 7,
				    .pattern = pattern };
	uint64_t counters[64] = { 0 };

	for (uint64_t done = 0; done < pages * 7 + 3; done++) {
		struct rj_cli_visit visit;
		bool seen[64] = { false };

		for (uint64_t i = 0; i < pages; i++) {
			visit = rj_cli_walk_expect(&walk, done, i);
			assert_true(visit.page < pages);
			assert_false(seen[visit.page]);
			seen[visit.page] = true;
			assert_int_equal(visit.counter, counters[visit.page]);
		}
		visit = rj_cli_walk_write(&walk, done);
		assert_int_equal(visit.counter, counters[visit.page] + 1);
		counters[visit.page]++;
	}
}

static void the_oracle_knows_every_page_after_every_write(void **state)
{
	static const uint64_t sizes[] = { 2, 3, 10, 11, 40, 64 };

	(void)state;
	for (unsigned p = 0; p < RJ_CLI_PATTERN_COUNT_; p++)
		for (size_t i = 0; i < RJ_ARRAY_SIZE(sizes); i++)
			assert_oracle(p, sizes[i]);
}

static void sequential_goes_in_order(void **state)
{
	struct rj_cli_walk walk = { .pages = 10, .seed = 1 };

	(void)state;
	for (uint64_t i = 0; i < 30; i++)
		assert_int_equal(rj_cli_walk_write(&walk, i).page, i % 10);
}

static void hot_sends_nine_of_ten_writes_to_a_tenth(void **state)
{
	struct rj_cli_walk walk = { .pages = 1000,
				    .seed = 3,
				    .pattern = RJ_CLI_PATTERN_HOT };
	unsigned counts[1000] = { 0 };
	unsigned hot = 0, hot_writes = 0;

	(void)state;
	for (uint64_t i = 0; i < 10000; i++)
		counts[rj_cli_walk_write(&walk, i).page]++;
	for (unsigned i = 0; i < 1000; i++) {
		hot += counts[i] > 10;
		hot_writes += counts[i] > 10 ? counts[i] : 0;
	}
	assert_int_equal(hot, 100);
	assert_int_equal(hot_writes, 9000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(permutations_visit_everything_once),
		cmocka_unit_test(keys_give_different_orders),
		cmocka_unit_test(the_oracle_knows_every_page_after_every_write),
		cmocka_unit_test(sequential_goes_in_order),
		cmocka_unit_test(hot_sends_nine_of_ten_writes_to_a_tenth),
	};

	return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
