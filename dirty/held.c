/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/held.h"

#include <errno.h>
#include <stdlib.h>

#include "util/error.h"

int rj_held_init(struct rj_held *held,
		 const struct ramjet_dirty_region *regions, unsigned count,
		 struct ramjet_error *err)
{
	int rc;

	/* One more: none of nothing is not out of memory. */
	*held = (struct rj_held){
		.maps = calloc(count + 1u, sizeof(*held->maps)),
		.sinks = calloc(count + 1u, sizeof(struct rj_bitmap *)),
		.count = count,
	};
	if (!held->maps || !held->sinks) {
		rj_held_done(held);
		return rj_fail(err, -ENOMEM, "dirty sources: out of memory");
	}
	for (unsigned i = 0; i < count; i++) {
		held->sinks[i] = &held->maps[i];
		rc = rj_bitmap_init(&held->maps[i], regions[i].page_count, err);
		if (rc) {
			rj_held_done(held);
			return rc;
		}
	}
	return 0;
}

static uint64_t release_map(struct rj_bitmap *from, struct rj_bitmap *to)
{
	uint64_t marked = 0, words[RJ_CHUNK_WORDS] = { 0 };
	uint64_t chunk = 0;

	for (;;) {
		chunk = rj_bitmap_next_chunk(from, chunk, from->chunk_count);
		if (chunk == from->chunk_count)
			return marked;
		if (rj_bitmap_claim_chunk(from, chunk, words))
			marked += rj_bitmap_or_words(to, chunk * RJ_CHUNK_PAGES,
						     words, RJ_CHUNK_WORDS);
		for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++)
			words[i] = 0;
		chunk++;
	}
}

uint64_t rj_held_release(struct rj_held *held, struct rj_bitmap *const *bitmaps)
{
	uint64_t marked = 0;

	for (unsigned i = 0; i < held->count; i++)
		marked += release_map(&held->maps[i], bitmaps[i]);
	return marked;
}

void rj_held_done(struct rj_held *held)
{
	for (unsigned i = 0; held->maps && i < held->count; i++)
		rj_bitmap_done(&held->maps[i]);
	free(held->maps);
	free(held->sinks);
	*held = (struct rj_held){ 0 };
}
