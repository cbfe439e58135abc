/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_DELTA_CACHE_H
#define RJ_ENGINE_PAGE_DELTA_CACHE_H
/*
 * Copies of pages as they were sent last, the bases of deltas: shared by the
 * lanes of a source. Which of them may be built on, and why no other ever is,
 * is proved on top of delta_cache.c.
 *
 * Budget    Copies and what is known of them take a fixed number of bytes of
 *           address space at most, and memory as they come in; all of it is
 *           given back when the cache is freed. Two bits a page of the guest
 *           come on top. Nothing is ever searched but a set, nor allocated.
 * Sets      A page may be in one set of RJ_DELTA_WAYS places only. Neighbours
 *           are in neighbouring sets. Sets share locks, those of neighbours the
 *           same one: a lane at work in a chunk meets others rarely.
 * Admission at the second touch: a page that is sent once only is never copied.
 * Eviction  A page that was sent in this round or the last one stays. Of the
 *           others in the set, the one that was sent longest ago goes; if there
 *           is none, the new one is not taken in. Guests write the same pages
 *           round after round, in the order of their addresses: who makes room
 *           for the newest has none of them left when they come again (decision
 *           041).
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/guest/guest.h"
#include "util/compiler.h"

#define RJ_DELTA_WAYS 8u

struct rj_memory_limit;
struct rj_delta_cache;

struct rj_delta_cache_options {
	const struct rj_block *blocks; /* borrowed */
	unsigned block_count;
	uint64_t bytes; /* rj_delta_cache_budget() */
	/* How many rounds every lane has left, and how many the target has
	 * applied; borrowed. The latter is NULL where no lane is ever lost. */
	const _Atomic uint32_t *left_by_all, *applied;
};

/* The bytes it may take for a guest of so many: what was asked for
 * (ramjet_params.delta_cache_bytes), with this much memory left over. */
uint64_t rj_delta_cache_budget(uint64_t guest_bytes, uint64_t wish,
			       const struct rj_memory_limit *limit);
/* -ENOMEM; -EINVAL: so few bytes hold nothing. */
RJ_NODISCARD int rj_delta_cache_new(
	const struct rj_delta_cache_options *options,
	struct rj_delta_cache **ret, struct ramjet_error *err);
/* NULL is fine. No lane is at work. */
void rj_delta_cache_free(struct rj_delta_cache *cache);

enum rj_delta_use {
	RJ_DELTA_PASS, /* nothing is known of it, nor need be */
	RJ_DELTA_KEEP, /* a copy is welcome: rj_delta_cache_keep() */
	RJ_DELTA_BASE, /* likewise, and there is one to build on */
};

/* Are copies kept in this round? Asked by a lane that enters it; since which one in
 * *from. Where they are, each page that the lane sends is either taken or
 * dropped, as below. */
bool rj_delta_cache_is_on(const struct rj_delta_cache *cache, uint32_t round,
			  uint32_t *from);
/* By a lane that is in `round`: copies are to be kept from the next one on; or
 * not any more from the one after that. True for the first who says so. */
bool rj_delta_cache_begin(struct rj_delta_cache *cache, uint32_t round);
bool rj_delta_cache_end(struct rj_delta_cache *cache, uint32_t round);
/* 1, and twice as much each time it has ended. */
double rj_delta_cache_begun(const struct rj_delta_cache *cache);

/* The page is going to be sent in `round` by who calls this, in a round he is
 * in: its copy is taken out. To be built on: it is in `base`, a page, and its
 * sum in *sum. `from`: see above. */
enum rj_delta_use rj_delta_cache_take(struct rj_delta_cache *cache,
				      unsigned block, uint64_t page,
				      uint32_t round, uint32_t from,
				      uint8_t *base, uint64_t *sum);
/* These pages are going to be sent in `round`, and nobody wants their copies. */
void rj_delta_cache_drop(struct rj_delta_cache *cache, unsigned block,
			 uint64_t page, uint64_t count, uint32_t round);
/* The page, taken out before, is sent in `round` as it is in `copy`, byte by
 * byte. Whether there is room for it, or not. */
void rj_delta_cache_keep(struct rj_delta_cache *cache, unsigned block,
			 uint64_t page, uint32_t round, const uint8_t *copy);

/* These pages are sent in a round in which no copies are kept. */
void rj_delta_cache_pass(struct rj_delta_cache *cache, unsigned block,
			 uint64_t page, uint64_t count);

/* A lane that was lost had claimed these pages, and has ended; nothing is said to be
 * applied meanwhile. */
void rj_delta_cache_forget(struct rj_delta_cache *cache, unsigned block,
			   uint64_t page, uint64_t count);

/* So many bytes need not be sent. */
void rj_delta_cache_saved(struct rj_delta_cache *cache, uint64_t bytes);

/* Sums over all lanes; while they are at work, of about the same time. */
struct rj_delta_cache_figures {
	uint64_t bytes;     /* at most, with all it knows of copies */
	uint64_t copies;    /* pages in it */
	uint64_t hits;      /* pages with a copy to build on */
	uint64_t misses;    /* sent before, and without */
	uint64_t evictions; /* copies that made room */
	uint64_t saved_bytes;
};
void rj_delta_cache_figures(const struct rj_delta_cache *cache,
			    struct rj_delta_cache_figures *ret);
#endif
