/* SPDX-License-Identifier: BSD-3-Clause */
/* How long digests will take. */
#include "engine/guest/backing.h"
#include "engine/guest/sigbus.h"
#include "engine/page/digest.h"
#include "engine/page/page_sums.h"
#include "util/clock.h"
#include "util/cpus.h"

/* Chosen: a trial on 16 MiB takes some milliseconds, and shorter ones tell more of
 * the caches. */
#define TRIAL_PAGES 4096u
/* A fault, and the page read: at most, on a machine of today. */
#define UNTOUCHED_PAGE_US 1u
/* Chosen: memory is what limits beyond so many threads. */
#define GAIN_MAX 16u

struct chunk {
	struct rj_digest_trial *trial;
	struct rj_page_sums *ignored;
	const struct rj_block *block;
	const struct rj_bitmap *populated;
	uint64_t index;
};

static int try_chunk(void *user, struct ramjet_error *err)
{
	const struct chunk *chunk = user;
	const struct rj_bitmap *populated = chunk->populated;
	const uint64_t end = (chunk->index + 1) * RJ_CHUNK_PAGES;
	uint64_t i = chunk->index * RJ_CHUNK_PAGES;
	int rc = 0;

	while (!rc && i < end && i < populated->page_count) {
		uint64_t count = 0;

		while (i + count < end && i + count < populated->page_count &&
		       rj_bitmap_test(populated, i + count))
			count++;
		if (count)
			rc = rj_page_sums_add(chunk->ignored, chunk->block, i,
					      count, err);
		chunk->trial->pages += count;
		i += count ? count : 1;
	}
	return rc;
}

void rj_digest_try(struct rj_digest_trial *trial, const struct rj_block *block,
		   const struct rj_bitmap *populated)
{
	const uint64_t began_us = rj_now_us();
	struct rj_page_sums ignored = {
		.part_pages = rj_digest_part_pages(block->page_count),
	};
	struct chunk chunk = { trial, &ignored, block, populated, 0 };

	/* Trying others would populate them. */
	while (trial->pages < TRIAL_PAGES &&
	       !rj_backing_check(block, 0, block->page_count, NULL) &&
	       (chunk.index = rj_bitmap_next_chunk(populated, chunk.index,
						   populated->chunk_count)) <
		       populated->chunk_count) {
		struct ramjet_error none = { 0 };

		/* Pages that can't be read: whoever sends them says so. */
		if (rj_sigbus_run(block, try_chunk, &chunk, &none))
			return;
		chunk.index++;
	}
	trial->us += rj_now_us() - began_us;
}

uint64_t rj_digest_predict_us(const struct rj_digest_trial *trial,
			      uint64_t pages, uint64_t untouched,
			      unsigned threads)
{
	const uint64_t tried = trial->pages ? trial->pages : 1;
	unsigned gain = threads ? threads : rj_allowed_cpus();

	if (gain > GAIN_MAX)
		gain = GAIN_MAX;
	return (trial->us * pages / tried + untouched * UNTOUCHED_PAGE_US) /
	       gain;
}
