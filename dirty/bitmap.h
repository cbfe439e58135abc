/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_BITMAP_H
#define RJ_DIRTY_BITMAP_H
/*
 * A two-level bitmap of one block: a bit a page, and a summary bit a chunk of
 * 512 pages, so that finding work costs in proportion to what is dirty.
 *
 * Concurrency: any number of setters and claimers at once; a group of 64 chunks
 * is changed by one of them at a time, for some ten nanoseconds or, merging,
 * the microsecond that 8 KiB take (bitmap.c). A set summary
 * bit may have no page bit left (harmless), but a set page bit always has its
 * summary bit set or about to be set by its setter: no page is lost.
 *
 * The memory is mapped lazily: an untouched bitmap of 12 TiB costs nothing.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"

/* 2 MiB, a huge page of x86-64, and a cache line of words: decision 001. */
#define RJ_CHUNK_PAGES 512u
#define RJ_CHUNK_WORDS 8u
#define RJ_CHUNK_BYTES ((uint64_t)RJ_CHUNK_PAGES * RAMJET_PAGE_BYTES)

struct rj_bitmap {
	/* immutable after rj_bitmap_init() */
	uint64_t page_count;
	uint64_t chunk_count;
	_Atomic uint64_t *words;   /* chunk_count * 8 */
	_Atomic uint64_t *summary; /* (chunk_count + 63) / 64 */
	_Atomic uint8_t *locks;    /* one a summary word */
	size_t map_bytes;          /* of the one mapping behind all */
};

/* All bits clear. -ENOMEM, or -EOVERFLOW for page counts beyond 2^40. */
RJ_NODISCARD int rj_bitmap_init(struct rj_bitmap *bm, uint64_t page_count,
				struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_bitmap_done(struct rj_bitmap *bm);

/* Atomic; ranges must lie in the bitmap (asserted). Returns how many of the
 * pages were clear before. */
uint64_t rj_bitmap_set_run(struct rj_bitmap *bm, uint64_t first_page,
			   uint64_t count);
/* OR words[0..count) in; first_page a multiple of 64; bits past page_count
 * are ignored. Zero words cost a load. Returns newly set. */
uint64_t rj_bitmap_or_words(struct rj_bitmap *bm, uint64_t first_page,
			    const uint64_t *words, size_t count);
bool rj_bitmap_test(const struct rj_bitmap *bm, uint64_t page);
/* Pages [64 * at, 64 * at + 64) as they are at the moment. */
static inline uint64_t rj_bitmap_word(const struct rj_bitmap *bm, uint64_t at)
{
	return atomic_load_explicit(&bm->words[at], memory_order_relaxed);
}
/* Clear a run, leaving the summary as it is. Returns how many were set. */
uint64_t rj_bitmap_clear_run(struct rj_bitmap *bm, uint64_t first_page,
			     uint64_t count);

/* Set bits; exact only while nobody writes. Cost: summary, and dirty chunks. */
uint64_t rj_bitmap_count(const struct rj_bitmap *bm);
/* The same of chunks [from, end). */
uint64_t rj_bitmap_count_in(const struct rj_bitmap *bm, uint64_t from,
			    uint64_t end);

/*
 * The first chunk in [from, end) whose summary bit is set, or `end`.
 * `end` at most chunk_count.
 */
uint64_t rj_bitmap_next_chunk(const struct rj_bitmap *bm, uint64_t from,
			      uint64_t end);
/* Take all bits of a chunk: out[w] |= bits. Returns how many were taken. */
unsigned rj_bitmap_claim_chunk(struct rj_bitmap *bm, uint64_t chunk,
			       uint64_t out[RJ_CHUNK_WORDS]);
/* The same for whole words from the chunk's first set bit on, as long as at
 * most pages_max (64 or more) pages are taken; the rest stays. */
unsigned rj_bitmap_claim_part(struct rj_bitmap *bm, uint64_t chunk,
			      unsigned pages_max, uint64_t out[RJ_CHUNK_WORDS]);

/* Runs of set bits within an array of words (plain memory). */
struct rj_run {
	uint64_t first; /* bit index */
	uint64_t count;
};
/* The first run at or after bit `from` below `bit_count`; count 0 at the end.
 * Runs cross word boundaries. */
struct rj_run rj_words_next_run(const uint64_t *words, uint64_t bit_count,
				uint64_t from);
#endif
