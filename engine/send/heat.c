/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/heat.h"

#include <errno.h>
#include <stdlib.h>

#include "dirty/bit_memory.h"
#include "util/bits.h"
#include "util/error.h"

/* Of what is held back blindly, one chunk in so many goes with each round. Chosen:
 * seven of eight rounds are saved for what stays hot, and what has cooled is
 * found within eight. A power of 2. */
#define BLIND_PERIOD 8u

static int init_block(struct rj_heat_block *block, uint64_t page_count,
		      struct ramjet_error *err)
{
	uint64_t chunks;
	int rc = rj_bitmap_init(&block->fresh, page_count, err);

	if (!rc)
		rc = rj_bitmap_init(&block->held, page_count, err);
	if (rc)
		return rc;
	chunks = block->fresh.chunk_count + 1; /* never an empty mapping */
	block->bytes = chunks * (sizeof(*block->past) + sizeof(*block->sorted));
	rc = rj_bit_memory_map("heat", block->bytes, &block->memory, err);
	if (rc)
		return rc;
	block->past = block->memory;
	block->sorted = (uint32_t *)(block->past + chunks);
	return 0;
}

int rj_heat_init(struct rj_heat *heat, const struct rj_block *blocks,
		 unsigned block_count, struct ramjet_error *err)
{
	int rc = 0;

	*heat = (struct rj_heat){
		.blocks = calloc(block_count, sizeof(*heat->blocks)),
		.sinks = calloc(block_count, sizeof(struct rj_bitmap *)),
		.block_count = block_count,
	};
	if (!heat->blocks || !heat->sinks)
		rc = rj_fail(err, -ENOMEM, "heat: out of memory");
	for (unsigned i = 0; !rc && i < block_count; i++) {
		heat->sinks[i] = &heat->blocks[i].fresh;
		rc = init_block(&heat->blocks[i], blocks[i].page_count, err);
	}
	if (rc)
		rj_heat_done(heat);
	return rc;
}

void rj_heat_done(struct rj_heat *heat)
{
	for (unsigned i = 0; heat->blocks && i < heat->block_count; i++) {
		struct rj_heat_block *block = &heat->blocks[i];

		rj_bitmap_done(&block->fresh);
		rj_bitmap_done(&block->held);
		rj_bit_memory_unmap(block->memory, block->bytes);
	}
	free(heat->blocks);
	free(heat->sinks);
	*heat = (struct rj_heat){ 0 };
}

/* ---- a chunk ----------------------------------------------------------- */

static unsigned count(const uint64_t words[RJ_CHUNK_WORDS])
{
	unsigned pages = 0;

	for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++)
		pages += rj_popcount(words[i]);
	return pages;
}

/* The past as of the collect before `collect`: chunks are only looked at when
 * there is something in them. */
static void catch_up(struct rj_heat_past *past, uint32_t *sorted,
		     uint32_t collect)
{
	const uint32_t behind = collect - 1 - *sorted;

	for (unsigned i = 0; behind && i < RJ_CHUNK_WORDS; i++) {
		past->older[i] = behind == 1 && *sorted ? past->newer[i] : 0;
		past->newer[i] = 0;
	}
	*sorted = collect;
}

/* Which of the pages that wait are hot; the latest collect goes into the past. */
static void judge(struct rj_heat_past *past,
		  const uint64_t written[RJ_CHUNK_WORDS],
		  const uint64_t held[RJ_CHUNK_WORDS],
		  uint64_t hot[RJ_CHUNK_WORDS])
{
	for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++) {
		const uint64_t a = written[i];
		const uint64_t b = past->newer[i];
		const uint64_t c = past->older[i];

		hot[i] =
			(a & b & c) | (held[i] & ((a & b) | (a & c) | (b & c)));
		past->older[i] = b;
		past->newer[i] = a;
	}
}

/* Whole words of `hot`, as long as there is room; the rest is not hot. */
static void fit(uint64_t hot[RJ_CHUNK_WORDS], uint64_t room)
{
	for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++) {
		const unsigned pages = rj_popcount(hot[i]);

		if (pages > room)
			hot[i] = 0;
		else
			room -= pages;
	}
}

/* ---- all of them ------------------------------------------------------- */

struct sorting {
	struct rj_heat *heat;
	const struct rj_heat_rules *rules;
	uint64_t held; /* so far */
	struct rj_heat_sorted sums;
};

static void sort_chunk(struct sorting *s, struct rj_heat_block *block,
		       uint64_t chunk, struct rj_bitmap *next)
{
	const uint32_t collect = s->heat->collects;
	const uint64_t first = chunk * RJ_CHUNK_PAGES;
	const uint64_t room = s->rules->room_pages > s->held
				      ? s->rules->room_pages - s->held
				      : 0;
	uint64_t written[RJ_CHUNK_WORDS] = { 0 }, held[RJ_CHUNK_WORDS] = { 0 };
	uint64_t hot[RJ_CHUNK_WORDS], due[RJ_CHUNK_WORDS];

	(void)rj_bitmap_claim_chunk(&block->fresh, chunk, written);
	if (rj_bitmap_next_chunk(&block->held, chunk, chunk + 1) == chunk)
		(void)rj_bitmap_claim_chunk(&block->held, chunk, held);
	catch_up(&block->past[chunk], &block->sorted[chunk], collect);
	judge(&block->past[chunk], written, held, hot);
	fit(hot, s->rules->blind && (chunk + collect) % BLIND_PERIOD == 0
			 ? 0
			 : room);
	for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++) {
		due[i] = (written[i] | held[i]) & ~hot[i];
		/* What a blind source says of it is no news. */
		written[i] &= s->rules->blind ? ~held[i] : ~UINT64_C(0);
	}
	s->sums.written += count(written);
	s->sums.due += rj_bitmap_or_words(next, first, due, RJ_CHUNK_WORDS);
	s->held += rj_bitmap_or_words(&block->held, first, hot, RJ_CHUNK_WORDS);
}

static uint64_t next_chunk(const struct rj_heat_block *block, uint64_t from)
{
	const uint64_t end = block->fresh.chunk_count;
	const uint64_t fresh = rj_bitmap_next_chunk(&block->fresh, from, end);

	return rj_bitmap_next_chunk(&block->held, from, fresh);
}

static void sort_block(struct sorting *s, struct rj_heat_block *block,
		       struct rj_bitmap *next)
{
	const uint64_t end = block->fresh.chunk_count;

	for (uint64_t chunk = next_chunk(block, 0); chunk < end;
	     chunk = next_chunk(block, chunk + 1))
		sort_chunk(s, block, chunk, next);
}

struct rj_heat_sorted rj_heat_sort(struct rj_heat *heat,
				   struct rj_bitmap *const *next,
				   const struct rj_heat_rules *rules)
{
	struct sorting s = { .heat = heat, .rules = rules };

	heat->collects++;
	for (unsigned i = 0; i < heat->block_count; i++)
		sort_block(&s, &heat->blocks[i], next[i]);
	heat->held_pages = s.held;
	return s.sums;
}

static uint64_t release_map(struct rj_bitmap *from, struct rj_bitmap *to)
{
	const uint64_t end = from->chunk_count;
	uint64_t added = 0;

	for (uint64_t chunk = rj_bitmap_next_chunk(from, 0, end); chunk < end;
	     chunk = rj_bitmap_next_chunk(from, chunk + 1, end)) {
		uint64_t words[RJ_CHUNK_WORDS] = { 0 };

		if (rj_bitmap_claim_chunk(from, chunk, words))
			added += rj_bitmap_or_words(to, chunk * RJ_CHUNK_PAGES,
						    words, RJ_CHUNK_WORDS);
	}
	return added;
}

uint64_t rj_heat_release(struct rj_heat *heat, struct rj_bitmap *const *next)
{
	uint64_t added = 0;

	for (unsigned i = 0; i < heat->block_count; i++)
		added += release_map(&heat->blocks[i].held, next[i]);
	heat->held_pages = 0;
	return added;
}
