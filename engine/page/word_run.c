/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/word_run.h"

#include "engine/page/codec.h"
#include "engine/page/memory.h"

typedef uint64_t word64 __attribute__((may_alias));

RJ_GUEST_MEMORY static void fill(uint8_t *pages, uint64_t bytes, uint64_t word)
{
	word64 *to = (word64 *)(void *)pages;

	for (uint64_t i = 0; i < bytes / sizeof(*to); i++)
		to[i] = word;
}

/* Where the block is not mapped: as many with one call as there is memory for. */
static int write_copies(struct rj_page_codec *codec,
			const struct rj_run_piece *piece,
			struct ramjet_error *err)
{
	uint8_t *copies = rj_page_codec_scratch(codec, err);
	uint64_t page = piece->run.page;
	uint32_t left = piece->run.count;
	int rc = 0;

	if (!copies)
		return -ENOMEM;
	fill(copies, (uint64_t)RJ_SCRATCH_PAGES * RAMJET_PAGE_BYTES,
	     piece->word);
	while (!rc && left) {
		const uint32_t some =
			left < RJ_SCRATCH_PAGES ? left : RJ_SCRATCH_PAGES;

		rc = rj_pages_write(piece->block, page, some, copies, err);
		page += some;
		left -= some;
	}
	return rc;
}

int rj_word_run_place(struct rj_page_codec *codec,
		      const struct rj_run_piece *piece,
		      struct ramjet_error *err)
{
	if (rj_block_memory(piece->block) != &rj_mapped_memory)
		return write_copies(codec, piece, err);
	fill(piece->block->host + piece->run.page * RAMJET_PAGE_BYTES,
	     (uint64_t)piece->run.count * RAMJET_PAGE_BYTES, piece->word);
	return 0;
}
