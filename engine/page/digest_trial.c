/* SPDX-License-Identifier: BSD-3-Clause */
/* How long digests will take. */
#include "engine/guest/backing.h"
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

/* False: its pages could not be read. */
static bool try_chunk(struct rj_digest_trial *trial,
		      struct rj_page_sums *ignored,
		      const struct rj_block *block,
		      const struct rj_bitmap *populated, uint64_t chunk)
{
	const uint64_t end = (chunk + 1) * RJ_CHUNK_PAGES;
	uint64_t i = chunk * RJ_CHUNK_PAGES;

	while (i < end && i < populated->page_count) {
		struct ramjet_error none = { 0 };
		uint64_t count = 0;

		while (i + count < end && i + count < populated->page_count &&
		       rj_bitmap_test(populated, i + count))
			count++;
		if (count && rj_page_sums_add(ignored, block, i, count, &none))
			return false;
		trial->pages += count;
		i += count ? count : 1;
	}
	return true;
}

void rj_digest_try(struct rj_digest_trial *trial, const struct rj_block *block,
		   const struct rj_bitmap *populated)
{
	const uint64_t began_us = rj_now_us();
	struct rj_page_sums ignored = {
		.part_pages = rj_digest_part_pages(block->page_count),
	};
	uint64_t chunk = 0;

	/* Trying others would populate them. */
	while (trial->pages < TRIAL_PAGES &&
	       !rj_backing_check(block, 0, block->page_count, NULL) &&
	       (chunk = rj_bitmap_next_chunk(populated, chunk,
					     populated->chunk_count)) <
		       populated->chunk_count) {
		if (!try_chunk(trial, &ignored, block, populated, chunk++))
			return;
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
