/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <string.h>
#include <xxhash.h>

#include "engine/page/digest.h"
#include "tests/unit/engine/guarded.h"

#define PAGES 1200u /* two chunks and a short one */

static struct guarded ram;

static int setup(void **state)
{
	(void)state;
	return guarded_map(&ram, (uint64_t)PAGES * RAMJET_PAGE_BYTES);
}

static int teardown(void **state)
{
	(void)state;
	guarded_unmap(&ram);
	return 0;
}

static struct rj_digest digest_of(const struct guarded *g)
{
	const struct rj_block block = guarded_block(g);
	struct rj_digest digest = { 1, 1 };
	struct ramjet_error err = { 0 };

	if (rj_digest_block(&block, &digest, &err))
		fail_msg("%s", err.message);
	return digest;
}

static bool is(struct rj_digest digest, uint64_t low, uint64_t high)
{
	return digest.low == low && digest.high == high;
}

static void untouched_memory_is_zero_and_stays_untouched(void **state)
{
	(void)state;
	assert_true(is(digest_of(&ram), 0, 0));
	assert_int_equal(guarded_resident(&ram, 0, PAGES), 0);
}

static void pages_of_zeros_add_nothing(void **state)
{
	(void)state;
	memset(ram.host, 0, ram.bytes);
	assert_true(is(digest_of(&ram), 0, 0));
}

/* docs/protocol.md, DIGESTS: written down again, backwards. */
static void the_digest_is_the_sum_of_seeded_page_hashes(void **state)
{
	static const uint64_t pages[] = { 0, 1, 63, 64, 511, 512, 700, 1199 };
	uint64_t low = 0, high = 0;

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(pages); i++)
		guarded_fill(&ram, pages[i], 7);
	memset(ram.host + 5 * RAMJET_PAGE_BYTES, 0, RAMJET_PAGE_BYTES);
	for (size_t i = RJ_ARRAY_SIZE(pages); i-- > 0;) {
		const XXH128_hash_t hash = XXH3_128bits_withSeed(
			ram.host + pages[i] * RAMJET_PAGE_BYTES,
			RAMJET_PAGE_BYTES, pages[i]);

		low += hash.low64;
		high += hash.high64;
	}
	assert_true(is(digest_of(&ram), low, high));
}

static void one_flipped_bit_anywhere_changes_it(void **state)
{
	struct rj_digest before;

	(void)state;
	for (uint64_t page = 0; page < 4; page++)
		guarded_fill(&ram, page, 1);
	before = digest_of(&ram);
	for (uint64_t byte = 0; byte < 4 * RAMJET_PAGE_BYTES; byte += 61) {
		ram.host[byte] ^= (uint8_t)(1u << byte % 8);
		assert_false(is(digest_of(&ram), before.low, before.high));
		ram.host[byte] ^= (uint8_t)(1u << byte % 8);
	}
	assert_true(is(digest_of(&ram), before.low, before.high));
}

static void a_page_in_another_place_changes_it(void **state)
{
	struct rj_digest before;

	(void)state;
	guarded_fill(&ram, 3, 1);
	before = digest_of(&ram);
	memcpy(ram.host + 4 * RAMJET_PAGE_BYTES,
	       ram.host + 3 * RAMJET_PAGE_BYTES, RAMJET_PAGE_BYTES);
	memset(ram.host + 3 * RAMJET_PAGE_BYTES, 0, RAMJET_PAGE_BYTES);
	assert_false(is(digest_of(&ram), before.low, before.high));
}

static void swapped_pages_change_it(void **state)
{
	static uint8_t spare[RAMJET_PAGE_BYTES];
	uint8_t *const second = ram.host + RAMJET_PAGE_BYTES;
	struct rj_digest before;

	(void)state;
	guarded_fill(&ram, 0, 1);
	guarded_fill(&ram, 1, 2);
	before = digest_of(&ram);
	memcpy(spare, ram.host, sizeof(spare));
	memcpy(ram.host, second, sizeof(spare));
	memcpy(second, spare, sizeof(spare));
	assert_false(is(digest_of(&ram), before.low, before.high));
}

static void equal_memory_has_equal_digests(void **state)
{
	struct guarded other = { 0 };
	struct rj_digest ours, theirs;

	(void)state;
	assert_int_equal(guarded_map(&other, ram.bytes), 0);
	for (uint64_t page = 0; page < PAGES; page += 3)
		guarded_fill(&ram, page, 9);
	/* In the other order, and with more of it populated. */
	memset(other.host, 0, other.bytes);
	for (uint64_t page = PAGES; page-- > 0;)
		if (page % 3 == 0)
			guarded_fill(&other, page, 9);
	ours = digest_of(&ram);
	theirs = digest_of(&other);
	assert_true(is(ours, theirs.low, theirs.high));
	assert_false(is(ours, 0, 0));
	guarded_unmap(&other);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(untouched_memory_is_zero_and_stays_untouched),
		CASE(pages_of_zeros_add_nothing),
		CASE(the_digest_is_the_sum_of_seeded_page_hashes),
		CASE(one_flipped_bit_anywhere_changes_it),
		CASE(a_page_in_another_place_changes_it),
		CASE(swapped_pages_change_it),
		CASE(equal_memory_has_equal_digests),
	};

	return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
