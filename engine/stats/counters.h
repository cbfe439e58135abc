/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_STATS_COUNTERS_H
#define RJ_ENGINE_STATS_COUNTERS_H
/*
 * What a worker has done so far. Written by that worker alone, read by anyone:
 * relaxed throughout, since nothing is concluded from one counter about other
 * memory.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "engine/stats/levels.h"
#include "util/compiler.h"

/* One block's, of one worker. */
struct rj_block_counters {
	_Atomic uint64_t normal_pages;
	_Atomic uint64_t zero_pages;
};
/* A worker has a multiple of so many: whole cache lines of its own. */
#define RJ_BLOCK_COUNTERS_STEP 4u

struct rj_counters {
	_Atomic uint64_t payload_bytes; /* page payload */
	_Atomic uint64_t wire_bytes;
	_Atomic uint64_t launched_bytes; /* given to the channel to send */
	_Atomic uint64_t claimed_pages;  /* sent or about to be */
	_Atomic uint64_t normal_pages;
	_Atomic uint64_t zero_pages;
	_Atomic uint64_t word_pages;       /* one word each: WORD runs */
	_Atomic uint64_t compressed_pages; /* in zstd's groups */
	_Atomic uint64_t delta_pages;      /* DELTA and SAME runs */
	/* Of the pages in all that zstd was given: bytes, what became of them,
	 * and time, at a target that of decompressing; and those that went raw
	 * after all. */
	_Atomic uint64_t zstd_in_bytes, zstd_out_bytes, zstd_ns;
	_Atomic uint64_t zstd_refused_pages;
	_Atomic uint64_t delta_bytes; /* payload of DELTA runs */
	_Atomic uint64_t cpu_us;
	/* It had work and did not wait for the network, and was on no CPU. */
	_Atomic uint64_t unserved_ns;
	_Atomic uint32_t rtt_us;
	_Atomic uint32_t mailing; /* control frames are being sent in band */
	_Atomic uint32_t state;   /* enum rj_lane_state, engine/link/lane.h */
	_Atomic uint32_t epoch;   /* how often it was connected anew */
	/* Rounds whose fence is sent, or being sent. Stored (release) before
	 * the fence is: pairs with the acquire in take_applied(), which checks
	 * that a round that was applied had its fence sent. */
	_Atomic uint32_t fences;
	struct rj_levels levels;            /* zstd's, over time */
	struct rj_block_counters *by_block; /* by the guest's index; or NULL */
} RJ_CACHE_ALIGNED;                         /* else workers share lines */

static inline void rj_count(_Atomic uint64_t *counter, uint64_t by)
{
	/* One writer: a plain add is enough. */
	atomic_store_explicit(
		counter,
		atomic_load_explicit(counter, memory_order_relaxed) + by,
		memory_order_relaxed);
}

static inline uint64_t rj_counter(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Pages that went, or came, with a payload of some kind; and without. */
static inline uint64_t rj_counted_full(const struct rj_counters *c)
{
	return rj_counter(&c->normal_pages) + rj_counter(&c->compressed_pages) +
	       rj_counter(&c->delta_pages);
}
static inline uint64_t rj_counted_empty(const struct rj_counters *c)
{
	return rj_counter(&c->zero_pages) + rj_counter(&c->word_pages);
}
#endif
