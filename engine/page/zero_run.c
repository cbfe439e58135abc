/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/zero_run.h"

#include <string.h>

#include "engine/page/zero.h"

RJ_GUEST_MEMORY static void zero_page(const struct rj_block *block,
				      uint64_t page)
{
	uint8_t *at = block->host + page * RAMJET_PAGE_BYTES;

	if (!rj_page_is_zero(at))
		memset(at, 0, RAMJET_PAGE_BYTES);
}

/* What is neither received nor cleared yet will be cleared. */
int rj_zero_run_place(struct rj_page_codec *codec,
		      const struct rj_run_piece *piece,
		      struct ramjet_error *err)
{
	const struct rj_bitmap *marked = piece->received;
	const uint64_t end = piece->run.page + piece->run.count;
	uint64_t page = piece->run.page;

	(void)codec;
	(void)err;
	while (page < end) {
		const uint64_t chunk = page / RJ_CHUNK_PAGES;
		const uint64_t found = rj_bitmap_next_chunk(
			marked, chunk, (end - 1) / RJ_CHUNK_PAGES + 1);

		if (found > chunk) {
			page = found * RJ_CHUNK_PAGES;
			continue;
		}
		if (rj_bitmap_test(marked, page))
			zero_page(piece->block, page);
		page++;
	}
	return 0;
}
