/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/zero_run.h"

#include "engine/page/memory.h"

/* What is neither received nor cleared yet will be cleared. */
int rj_zero_run_place(struct rj_page_codec *codec,
		      const struct rj_run_piece *piece,
		      struct ramjet_error *err)
{
	const struct rj_bitmap *marked = piece->received;
	const uint64_t end = piece->run.page + piece->run.count;
	uint64_t page = piece->run.page;

	int rc = 0;

	(void)codec;
	while (!rc && page < end) {
		const uint64_t chunk = page / RJ_CHUNK_PAGES;
		const uint64_t found = rj_bitmap_next_chunk(
			marked, chunk, (end - 1) / RJ_CHUNK_PAGES + 1);

		if (found > chunk) {
			page = found * RJ_CHUNK_PAGES;
			continue;
		}
		if (rj_bitmap_test(marked, page))
			rc = rj_pages_clear(piece->block, page, 1, err);
		page++;
	}
	return rc;
}
