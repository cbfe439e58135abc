/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/page_sums.h"

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "engine/page/memory.h"
#include "engine/page/zero.h"

/* At once, should they have to be copied. Chosen: a call takes about as long as a
 * page. */
#define LOOK_PAGES 16u

RJ_GUEST_MEMORY static void add_page(const uint8_t *content, uint64_t page,
				     struct rj_page_sums *sums)
{
	XXH128_hash_t hash;

	if (rj_page_is_zero(content))
		return;
	hash = XXH3_128bits_withSeed(content, RAMJET_PAGE_BYTES, page);
	sums->whole.low += hash.low64;
	sums->whole.high += hash.high64;
	rj_digest_parts_add(&sums->parts, sums->part_pages, page, hash.low64);
}

static int add_copies(struct rj_page_sums *sums, const struct rj_block *block,
		      uint64_t page, uint64_t count, struct ramjet_error *err)
{
	_Alignas(RAMJET_PAGE_BYTES)
		uint8_t scratch[LOOK_PAGES * RAMJET_PAGE_BYTES];

	while (count) {
		const uint32_t piece =
			count < LOOK_PAGES ? (uint32_t)count : LOOK_PAGES;
		const uint8_t *content =
			rj_pages_look(block, page, piece, scratch, err);

		if (!content)
			return err->code;
		for (uint32_t i = 0; i < piece; i++)
			add_page(content + i * RAMJET_PAGE_BYTES, page + i,
				 sums);
		page += piece;
		count -= piece;
	}
	return 0;
}

int rj_page_sums_add(struct rj_page_sums *sums, const struct rj_block *block,
		     uint64_t page, uint64_t count, struct ramjet_error *err)
{
	const uint8_t *at;

	if (rj_block_memory(block) != &rj_mapped_memory)
		return add_copies(sums, block, page, count, err);
	at = block->host + page * RAMJET_PAGE_BYTES;
	for (uint64_t i = 0; i < count; i++)
		add_page(at + i * RAMJET_PAGE_BYTES, page + i, sums);
	return 0;
}
