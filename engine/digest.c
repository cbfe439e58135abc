/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/digest.h"

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "dirty/populated.h"
#include "engine/region.h"
#include "engine/zero.h"

RJ_GUEST_MEMORY static void add_page(const struct rj_block *block,
				     uint64_t page, struct rj_digest *sum)
{
	const uint8_t *at = block->host + page * RAMJET_PAGE_BYTES;
	XXH128_hash_t hash;

	if (rj_page_is_zero(at))
		return;
	hash = XXH3_128bits_withSeed(at, RAMJET_PAGE_BYTES, page);
	sum->low += hash.low64;
	sum->high += hash.high64;
}

static void add_chunk(const struct rj_block *block, struct rj_bitmap *populated,
		      uint64_t chunk, struct rj_digest *sum)
{
	const uint64_t base = chunk * RJ_CHUNK_PAGES;
	uint64_t words[RJ_CHUNK_WORDS] = { 0 };
	uint64_t from = 0;
	struct rj_run run;

	(void)rj_bitmap_claim_chunk(populated, chunk, words);
	for (;;) {
		run = rj_words_next_run(words, RJ_CHUNK_PAGES, from);
		if (!run.count)
			return;
		from = run.first + run.count;
		for (uint64_t page = run.first; page < from; page++)
			add_page(block, base + page, sum);
	}
}

int rj_digest_block(const struct rj_block *block, struct rj_digest *ret,
		    struct ramjet_error *err)
{
	const struct ramjet_dirty_region region = rj_block_region(block);
	struct rj_digest sum = { 0 };
	struct rj_bitmap populated = { 0 };
	enum rj_populated_method method;
	const char *reason;
	uint64_t chunk = 0;
	int rc;

	rc = rj_bitmap_init(&populated, block->page_count, err);
	if (!rc)
		rc = rj_populated_scan(&region, &populated, &method, &reason,
				       err);
	while (!rc && (chunk = rj_bitmap_next_chunk(&populated, chunk,
						    populated.chunk_count)) <
			      populated.chunk_count)
		add_chunk(block, &populated, chunk++, &sum);
	rj_bitmap_done(&populated);
	if (!rc)
		*ret = sum;
	return rc;
}
