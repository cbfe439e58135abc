/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/zero_run.h"

#include "engine/page/memory.h"

/* So many pages from `page` on, of those before `end`, are marked. */
static uint32_t marked_from(const struct rj_bitmap *marked, uint64_t page,
			    uint64_t end)
{
	uint32_t count = 0;

	while (page + count < end && rj_bitmap_test(marked, page + count))
		count++;
	return count;
}

/* What is neither received nor cleared yet will be cleared. */
int rj_zero_run_place(struct rj_page_codec *codec,
		      const struct rj_run_piece *piece,
		      struct ramjet_error *err)
{
	const struct rj_bitmap *marked = piece->received;
	const uint64_t end = piece->run.page + piece->run.count;
	uint64_t page = piece->run.page;
	uint32_t count;
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
		count = marked_from(marked, page, end);
		if (count)
			rc = rj_pages_clear(piece->block, page, count, err);
		page += count ? count : 1;
	}
	return rc;
}
