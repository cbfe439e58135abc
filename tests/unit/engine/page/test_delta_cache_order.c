/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two lanes send a page at the same time, one a round ahead. What the one behind
 * does comes in where the linker hands us a call of the one ahead.
 */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "dirty/bitmap.h"
#include "engine/page/delta_cache.h"

#define PAGE  7u
#define ROUND 7u /* of the lane behind */

static struct rj_delta_cache *cache;
static void (*meanwhile)(void);
static uint8_t base[RAMJET_PAGE_BYTES], old[RAMJET_PAGE_BYTES];
static uint64_t sum;

uint64_t __real_rj_bitmap_set_run(struct rj_bitmap *map, uint64_t first,
				  uint64_t count);
uint64_t __wrap_rj_bitmap_set_run(struct rj_bitmap *map, uint64_t first,
				  uint64_t count);
uint64_t __wrap_rj_bitmap_set_run(struct rj_bitmap *map, uint64_t first,
				  uint64_t count)
{
	const uint64_t fresh = __real_rj_bitmap_set_run(map, first, count);
	void (*call)(void) = meanwhile;

	meanwhile = NULL;
	if (call)
		call();
	return fresh;
}

static enum rj_delta_use take(uint32_t round)
{
	return rj_delta_cache_take(cache, 0, PAGE, round, 1, base, &sum);
}

/* The lane behind: it finds the page sent before, and keeps what it sends. */
static void lane_behind(void)
{
	assert_int_equal(take(ROUND), RJ_DELTA_KEEP);
	rj_delta_cache_keep(cache, 0, PAGE, ROUND, old);
}

static void no_copy_stays_of_who_comes_between_bit_and_lock(void **state)
{
	const struct rj_block block = { .page_count = 1024 };
	_Atomic uint32_t left_by_all = ROUND;
	const struct rj_delta_cache_options options = {
		.blocks = &block,
		.block_count = 1,
		.bytes = UINT64_MAX,
		.left_by_all = &left_by_all,
	};

	(void)state;
	memset(old, 1, sizeof(old));
	assert_int_equal(rj_delta_cache_new(&options, &cache, NULL), 0);
	/* The lane ahead is the first to send the page. */
	meanwhile = lane_behind;
	assert_int_equal(take(ROUND + 1), RJ_DELTA_PASS);
	assert_null(meanwhile);
	/* The target has what that one sent: nothing of ours. */
	atomic_store(&left_by_all, ROUND + 2);
	assert_int_not_equal(take(ROUND + 2), RJ_DELTA_BASE);
	rj_delta_cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			no_copy_stays_of_who_comes_between_bit_and_lock),
	};

	return cmocka_run_group_tests_name("page_delta_cache_order", tests,
					   NULL, NULL);
}
