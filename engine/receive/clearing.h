/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_RECEIVE_CLEARING_H
#define RJ_ENGINE_RECEIVE_CLEARING_H
/*
 * The target's blocks that are not fresh hold something from before, which
 * must be gone where no page arrives. Threads clear it beside the rounds:
 *
 * - A clearing thread clears only pages of which it has set the bit itself, in
 *   the bitmap of received pages. A page that has arrived has its bit set, so
 *   it is not cleared.
 * - A page that arrives while it is being cleared waits. A clearing thread
 *   publishes which chunk it holds before it sets bits there; a receive worker
 *   sets its bits before it looks at which chunks are held. So one of the two
 *   sees the other, and no late clear lands on a page.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "dirty/bitmap.h"
#include "dirty/populated.h"
#include "engine/guest/guest.h"
#include "util/mutex.h"

struct ramjet_migration;

/* Chosen: they compete with receive workers for CPUs and for memory. */
#define RJ_CLEARING_THREADS_MAX 8u

/* Pages [first, end) of a block; none: first == end. */
struct rj_clearing_hold {
	unsigned block;
	uint64_t first, end;
};

struct rj_clearing {
	/* immutable after rj_clearing_start() */
	struct ramjet_migration *m; /* told of failures, or NULL */
	const struct rj_block *blocks;
	unsigned block_count;
	struct rj_bitmap *received; /* one a block, borrowed */
	int event_fd;               /* told of the end; -1: none */
	pthread_t threads[RJ_CLEARING_THREADS_MAX];
	unsigned started;

	/* All is cleared. Stored with release, loaded with acquire. */
	atomic_bool over;
	atomic_bool stop; /* relaxed: seen soon is enough */

	struct rj_mutex lock; /* lock order: 8 */
	pthread_cond_t changed;
	/* guarded by lock */
	struct rj_clearing_hold holds[RJ_CLEARING_THREADS_MAX];
	unsigned running;
	unsigned taken; /* numbers given to threads */
	bool failed;    /* a thread failed: `over` will never be set */
	/* The next piece: */
	unsigned block;
	uint64_t page;
	/* How block `block` is looked through, once it is known. */
	bool chosen;
	enum rj_populated_method method;
	bool looked;       /* for what is filled lazily, by the first thread */
	const char **lazy; /* as region.h has it; NULL: that failed */
};

/* On at most `threads` threads. When all blocks are fresh, it is over at
 * once, without a thread. */
RJ_NODISCARD int rj_clearing_start(struct rj_clearing *clearing,
				   struct ramjet_migration *m,
				   const struct rj_block *blocks,
				   unsigned block_count,
				   struct rj_bitmap *received, unsigned threads,
				   int event_fd, struct ramjet_error *err);
/* Stop and join all threads, whatever is left to clear. Safe on a zeroed
 * struct. */
void rj_clearing_stop(struct rj_clearing *clearing);

/* All that was not received reads as zero. Any thread. */
bool rj_clearing_is_over(const struct rj_clearing *clearing);
/* Waits until none of the pages is being cleared, or will be: their bits were
 * set before. Any thread. */
void rj_clearing_avoid(struct rj_clearing *clearing, unsigned block,
		       uint64_t first_page, uint64_t pages);
#endif
