/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <pthread.h>

#include "engine/stats/levels.h"
#include "util/compiler.h"

static struct rj_level_change seen[RJ_LEVELS_MAX];
static uint64_t total;

static void what_never_was_is_nothing(void **state)
{
	struct rj_levels levels = { 0 };

	(void)state;
	assert_int_equal(rj_levels_read(&levels, seen, &total), 0);
	assert_int_equal(total, 0);
}

static void a_change_is_kept_with_its_time(void **state)
{
	static const int32_t each[] = { RJ_LEVELS_OFF, -7, 0, 1, 20, -100, 100,
					RJ_LEVELS_OFF };
	struct rj_levels levels = { 0 };

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(each); i++) {
		rj_levels_note(&levels, each[i], 1000 + i);
		/* No change. */
		rj_levels_note(&levels, each[i], 2000);
	}
	assert_int_equal(rj_levels_read(&levels, seen, &total),
			 RJ_ARRAY_SIZE(each));
	assert_int_equal(total, RJ_ARRAY_SIZE(each));
	for (size_t i = 0; i < RJ_ARRAY_SIZE(each); i++) {
		assert_int_equal(seen[i].level, each[i]);
		assert_int_equal(seen[i].since_us, 1000 + i);
	}
}

static void the_latest_are_kept(void **state)
{
	struct rj_levels levels = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 3 * RJ_LEVELS_MAX + 5; i++)
		rj_levels_note(&levels, (int32_t)(i % 4), i);
	assert_int_equal(rj_levels_read(&levels, seen, &total), RJ_LEVELS_MAX);
	assert_int_equal(total, 3 * RJ_LEVELS_MAX + 5);
	for (uint64_t i = 0; i < RJ_LEVELS_MAX; i++) {
		assert_int_equal(seen[i].since_us, 2 * RJ_LEVELS_MAX + 5 + i);
		assert_int_equal(seen[i].level,
				 (2 * RJ_LEVELS_MAX + 5 + i) % 4);
	}
}

static struct rj_levels shared;

static void *write_on(void *arg)
{
	const uint64_t changes = 200000;

	(void)arg;
	for (uint64_t i = 0; i < changes; i++)
		rj_levels_note(&shared, (int32_t)(i % 7), i);
	return NULL;
}

/* Whenever it is read: changes in their order, each whole. */
static void who_reads_meanwhile_sees_no_nonsense(void **state)
{
	pthread_t writer;
	uint64_t before = 0;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, write_on, NULL), 0);
	do {
		const size_t count = rj_levels_read(&shared, seen, &total);

		assert_true(total >= before && count <= RJ_LEVELS_MAX);
		before = total;
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(seen[i].level, seen[i].since_us % 7);
			assert_true(i + 1 == count ||
				    seen[i].since_us <
					    seen[count - 1].since_us);
		}
	} while (total < 200000);
	assert_int_equal(pthread_join(writer, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_never_was_is_nothing),
		cmocka_unit_test(a_change_is_kept_with_its_time),
		cmocka_unit_test(the_latest_are_kept),
		cmocka_unit_test(who_reads_meanwhile_sees_no_nonsense),
	};

	return cmocka_run_group_tests_name("levels", tests, NULL, NULL);
}
