/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/word_run.h"

#include "engine/page/memory.h"

/* Chosen: pages that are written with one call, where they are not mapped. */
#define COPY_PAGES 16u

typedef uint64_t word64 __attribute__((may_alias));

RJ_GUEST_MEMORY static void fill(uint8_t *pages, uint64_t bytes, uint64_t word)
{
	word64 *to = (word64 *)(void *)pages;

	for (uint64_t i = 0; i < bytes / sizeof(*to); i++)
		to[i] = word;
}

static int write_copies(const struct rj_run_piece *piece,
			struct ramjet_error *err)
{
	_Alignas(RAMJET_PAGE_BYTES)
		uint8_t copies[COPY_PAGES * RAMJET_PAGE_BYTES];
	uint64_t page = piece->run.page;
	uint32_t left = piece->run.count;
	int rc = 0;

	fill(copies, sizeof(copies), piece->word);
	while (!rc && left) {
		const uint32_t some = left < COPY_PAGES ? left : COPY_PAGES;

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
	(void)codec;
	if (rj_block_memory(piece->block) != &rj_mapped_memory)
		return write_copies(piece, err);
	fill(piece->block->host + piece->run.page * RAMJET_PAGE_BYTES,
	     (uint64_t)piece->run.count * RAMJET_PAGE_BYTES, piece->word);
	return 0;
}
