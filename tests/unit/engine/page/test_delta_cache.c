/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/page/delta_cache.h"
#include "engine/page/delta_sum.h"
#include "util/memory_limit.h"

#define MIB (UINT64_C(1) << 20)

struct scene {
	struct rj_block blocks[2];
	_Atomic uint32_t left;
	struct rj_delta_cache *cache;
	uint8_t base[RAMJET_PAGE_BYTES];
	uint64_t sum;
};

static struct scene scene = {
	.blocks = { { .page_count = 1000 }, { .page_count = 3000 } },
};

static const uint8_t *content(unsigned fill)
{
	static uint8_t page[RAMJET_PAGE_BYTES];

	memset(page, (int)fill, sizeof(page));
	return page;
}

static int new_cache(uint64_t bytes, struct ramjet_error *err)
{
	const struct rj_delta_cache_options options = {
		.blocks = scene.blocks,
		.block_count = 2,
		.bytes = bytes,
		.left_by_all = &scene.left,
	};

	return rj_delta_cache_new(&options, &scene.cache, err);
}

static int setup(void **state)
{
	(void)state;
	return new_cache(UINT64_MAX, NULL);
}

static int teardown(void **state)
{
	(void)state;
	rj_delta_cache_free(scene.cache);
	scene.cache = NULL;
	return 0;
}

/* Every lane has left the rounds before. */
static void enter(uint32_t round)
{
	scene.left = round;
}

static enum rj_delta_use take(unsigned block, uint64_t page, uint32_t round)
{
	return rj_delta_cache_take(scene.cache, block, page, round, 0,
				   scene.base, &scene.sum);
}

static void keep(unsigned block, uint64_t page, uint32_t round, unsigned fill)
{
	rj_delta_cache_keep(scene.cache, block, page, round, content(fill));
}

/* Sent in round 0, and kept in round 1. */
static void have(unsigned block, uint64_t page, unsigned fill)
{
	enter(0);
	assert_int_equal(take(block, page, 0), RJ_DELTA_PASS);
	enter(1);
	assert_int_equal(take(block, page, 1), RJ_DELTA_KEEP);
	keep(block, page, 1, fill);
}

static uint64_t copies(void)
{
	struct rj_delta_cache_figures figures;

	rj_delta_cache_figures(scene.cache, &figures);
	return figures.copies;
}

static void a_copy_is_kept_when_a_page_comes_again(void **state)
{
	(void)state;
	have(1, 2999, 7);
	assert_int_equal(copies(), 1);
	enter(2);
	/* The same number, another block's. */
	assert_int_equal(take(0, 999, 2), RJ_DELTA_PASS);
	assert_int_equal(take(1, 2999, 2), RJ_DELTA_BASE);
	assert_memory_equal(scene.base, content(7), RAMJET_PAGE_BYTES);
	assert_int_equal(scene.sum, rj_delta_sum(content(7)));
	/* It is out; and comes back as what is sent now. */
	assert_int_equal(copies(), 0);
	keep(1, 2999, 2, 8);
	enter(3);
	assert_int_equal(take(1, 2999, 3), RJ_DELTA_BASE);
	assert_memory_equal(scene.base, content(8), RAMJET_PAGE_BYTES);
}

static void what_goes_otherwise_has_no_copy(void **state)
{
	(void)state;
	for (unsigned page = 10; page < 20; page++)
		have(0, page, page);
	enter(2);
	rj_delta_cache_drop(scene.cache, 0, 5, 10, 2);
	assert_int_equal(copies(), 5);
	enter(3);
	assert_int_equal(take(0, 14, 3), RJ_DELTA_KEEP);
	assert_int_equal(take(0, 15, 3), RJ_DELTA_BASE);
}

static void nothing_is_built_on_while_a_lane_is_behind(void **state)
{
	(void)state;
	have(0, 1, 1);
	/* Somebody is in 1 yet. */
	assert_int_equal(take(0, 1, 2), RJ_DELTA_KEEP);
	assert_int_equal(copies(), 0);
}

static void who_is_behind_puts_nothing_back(void **state)
{
	(void)state;
	have(0, 1, 1);
	enter(2);
	assert_int_equal(take(0, 1, 2), RJ_DELTA_BASE);
	/* Somebody sends it in the next round. */
	rj_delta_cache_drop(scene.cache, 0, 1, 1, 3);
	keep(0, 1, 2, 2);
	assert_int_equal(copies(), 0);
}

static void who_is_behind_leaves_a_newer_copy(void **state)
{
	(void)state;
	enter(0);
	assert_int_equal(take(0, 1, 0), RJ_DELTA_PASS);
	scene.left = 1;
	assert_int_equal(take(0, 1, 2), RJ_DELTA_KEEP);
	keep(0, 1, 2, 22);
	/* In round 1. */
	assert_int_equal(take(0, 1, 1), RJ_DELTA_PASS);
	keep(0, 1, 1, 11);
	rj_delta_cache_drop(scene.cache, 0, 1, 1, 1);
	enter(3);
	assert_int_equal(take(0, 1, 3), RJ_DELTA_BASE);
	assert_memory_equal(scene.base, content(22), RAMJET_PAGE_BYTES);
}

/* A cache of one set: whatever is in it is in the way of all others. */
static void hot_pages_stay_and_cold_ones_make_room(void **state)
{
	struct rj_delta_cache_figures figures;

	(void)state;
	rj_delta_cache_free(scene.cache);
	assert_int_equal(new_cache(40000, NULL), 0);
	for (unsigned page = 0; page < RJ_DELTA_WAYS; page++)
		have(0, page, page);
	(void)take(0, 500, 1);
	/* Sent in the last round: none of them goes. */
	enter(2);
	assert_int_equal(take(0, 500, 2), RJ_DELTA_PASS);
	assert_int_equal(take(0, 3, 2), RJ_DELTA_BASE);
	keep(0, 3, 2, 3);
	enter(3);
	/* All but page 3 have cooled. */
	assert_int_equal(take(0, 500, 3), RJ_DELTA_KEEP);
	keep(0, 500, 3, 50);
	enter(4);
	assert_int_equal(take(0, 500, 4), RJ_DELTA_BASE);
	assert_int_equal(take(0, 3, 4), RJ_DELTA_BASE);
	assert_int_equal(take(0, 0, 4), RJ_DELTA_KEEP);
	rj_delta_cache_figures(scene.cache, &figures);
	assert_int_equal(figures.evictions, 1);
	assert_true(figures.bytes <= 40000 + RAMJET_PAGE_BYTES);
	assert_int_equal(figures.hits, 3);
}

static void without_a_limit_all_have_room(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		enter(round);
		for (unsigned page = 0; page < 3000; page++) {
			if (take(1, page, round) == RJ_DELTA_KEEP)
				keep(1, page, round, page);
		}
	}
	assert_int_equal(copies(), 3000);
}

static bool is_on(uint32_t round)
{
	uint32_t from;

	return rj_delta_cache_is_on(scene.cache, round, &from);
}

static void copies_are_kept_from_one_round_to_another(void **state)
{
	uint32_t from;

	(void)state;
	assert_false(is_on(0));
	assert_true(rj_delta_cache_begin(scene.cache, 4));
	assert_false(rj_delta_cache_begin(scene.cache, 4));
	assert_false(is_on(4));
	assert_true(rj_delta_cache_is_on(scene.cache, 5, &from));
	assert_int_equal(from, 5);
	/* Who is not in yet cannot end it. */
	assert_false(rj_delta_cache_end(scene.cache, 4));
	assert_true(rj_delta_cache_end(scene.cache, 6));
	assert_false(rj_delta_cache_end(scene.cache, 6));
	assert_true(is_on(7));
	assert_false(is_on(8));
	/* It begins again when it is over, and not before. */
	assert_false(rj_delta_cache_begin(scene.cache, 7));
	assert_true(rj_delta_cache_begin(scene.cache, 8));
	assert_false(is_on(8));
	assert_true(is_on(9));
}

static void what_was_kept_before_is_not_built_on(void **state)
{
	(void)state;
	have(0, 1, 1);
	enter(2);
	assert_int_equal(rj_delta_cache_take(scene.cache, 0, 1, 2, 2,
					     scene.base, &scene.sum),
			 RJ_DELTA_KEEP);
}

static void a_budget_is_shared_or_as_asked(void **state)
{
	const struct rj_memory_limit much = { .available = UINT64_MAX };
	const struct rj_memory_limit little = { .available = 64 * MIB };

	(void)state;
	assert_int_equal(rj_delta_cache_budget(1024 * MIB,
					       RAMJET_DELTA_CACHE_AUTO, &much),
			 256 * MIB);
	assert_int_equal(rj_delta_cache_budget(
				 1024 * MIB, RAMJET_DELTA_CACHE_AUTO, &little),
			 8 * MIB);
	assert_int_equal(rj_delta_cache_budget(1024 * MIB, 5 * MIB, &little),
			 5 * MIB);
	assert_int_equal(rj_delta_cache_budget(1024 * MIB, 0, &little),
			 UINT64_MAX);
}

static void a_budget_that_holds_nothing_is_refused(void **state)
{
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(new_cache(4096, &err), -EINVAL);
	assert_string_equal(err.message,
			    "delta cache: 4096 bytes, wanted 32936 at least");
	assert_null(scene.cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_copy_is_kept_when_a_page_comes_again, setup,
			teardown),
		cmocka_unit_test_setup_teardown(what_goes_otherwise_has_no_copy,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			nothing_is_built_on_while_a_lane_is_behind, setup,
			teardown),
		cmocka_unit_test_setup_teardown(who_is_behind_puts_nothing_back,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			who_is_behind_leaves_a_newer_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(
			hot_pages_stay_and_cold_ones_make_room, setup,
			teardown),
		cmocka_unit_test_setup_teardown(without_a_limit_all_have_room,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			copies_are_kept_from_one_round_to_another, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			what_was_kept_before_is_not_built_on, setup, teardown),
		cmocka_unit_test(a_budget_is_shared_or_as_asked),
		cmocka_unit_test(a_budget_that_holds_nothing_is_refused),
	};

	return cmocka_run_group_tests_name("page_delta_cache", tests, NULL,
					   NULL);
}
