/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/told.h"

#include <errno.h>
#include <stdlib.h>

#include "util/bits.h"
#include "util/error.h"

static int init_one_each(struct rj_mark_map **ret,
			 const struct rj_block *blocks, unsigned count,
			 struct ramjet_error *err)
{
	int rc = 0;

	*ret = calloc(count, sizeof(**ret));
	if (!*ret)
		return rj_fail(err, -ENOMEM, "marks: out of memory");
	for (unsigned i = 0; !rc && i < count; i++)
		rc = rj_mark_map_init(&(*ret)[i], blocks[i].page_count, err);
	return rc;
}

static void done_maps(struct rj_mark_map *maps, unsigned count)
{
	for (unsigned i = 0; maps && i < count; i++)
		rj_mark_map_done(&maps[i]);
	free(maps);
}

int rj_told_init(struct rj_told *told, const struct rj_block *blocks,
		 unsigned block_count, struct ramjet_error *err)
{
	int rc;

	*told = (struct rj_told){ .block_count = block_count };
	rc = init_one_each(&told->marks, blocks, block_count, err);
	if (!rc)
		rc = init_one_each(&told->discarded, blocks, block_count, err);
	if (rc)
		rj_told_done(told);
	return rc;
}

void rj_told_done(struct rj_told *told)
{
	done_maps(told->marks, told->block_count);
	done_maps(told->discarded, told->block_count);
	*told = (struct rj_told){ 0 };
}

void rj_told_mark(struct rj_told *told, unsigned block, uint64_t first_page,
		  uint64_t pages)
{
	rj_mark_map_set(&told->marks[block], first_page, pages);
}

void rj_told_discard(struct rj_told *told, unsigned block, uint64_t first_page,
		     uint64_t pages)
{
	rj_mark_map_set(&told->discarded[block], first_page, pages);
	/* release: pairs with acquire in rj_told_discards() */
	atomic_fetch_add_explicit(&told->discards, 1, memory_order_release);
	rj_told_mark(told, block, first_page, pages);
}

uint32_t rj_told_discards(const struct rj_told *told)
{
	return atomic_load_explicit(&told->discards, memory_order_acquire);
}

bool rj_told_was_discarded(const struct rj_told *told, unsigned block,
			   uint64_t first_chunk, uint64_t chunks)
{
	const uint64_t end = first_chunk + chunks;

	return rj_mark_map_next_chunk(&told->discarded[block], first_chunk,
				      end) < end;
}

/* The last chunk of a block may be a short one. */
static size_t words_in_chunk(const struct rj_mark_map *map, uint64_t chunk)
{
	const uint64_t left = map->page_count - chunk * RJ_CHUNK_PAGES;

	return left < RJ_CHUNK_PAGES
		       ? (size_t)rj_div_round_up(left, RJ_WORD_BITS)
		       : RJ_CHUNK_WORDS;
}

uint64_t rj_told_take(struct rj_told *told, unsigned block,
		      struct rj_bitmap *map)
{
	struct rj_mark_map *marks = &told->marks[block];
	uint64_t chunk = 0, added = 0;

	while ((chunk = rj_mark_map_next_chunk(marks, chunk,
					       marks->chunk_count)) <
	       marks->chunk_count) {
		uint64_t words[RJ_CHUNK_WORDS] = { 0 };

		rj_mark_map_take_chunk(marks, chunk, words);
		added += rj_bitmap_or_words(map, chunk * RJ_CHUNK_PAGES, words,
					    words_in_chunk(marks, chunk));
		chunk++;
	}
	return added;
}

bool rj_told_has_marks(const struct rj_told *told)
{
	for (unsigned i = 0; i < told->block_count; i++)
		if (rj_mark_map_is_set(&told->marks[i]))
			return true;
	return false;
}
