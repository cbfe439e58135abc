/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_FIRST_ROUND_H
#define RJ_ENGINE_SEND_FIRST_ROUND_H
/*
 * Round 0: what holds anything at all. Nobody knows that before it is asked, and
 * to ask for all of memory takes long: so it is asked while pages are sent, a
 * window at a time, by the worker that has none left.
 *
 * Frontier  How far a home has been asked (placement.h): everything before it is
 *           in a window, or was.
 * Window    Chunks of one block next to each other. A worker takes it from a
 *           frontier, arms it (writes are tracked from then on), then looks what
 *           is populated there: a page that is populated in between is found by
 *           the look, one that is written later by a collect. Then the window is
 *           the worker's, and its chunks are handed out, each once. Nobody sees
 *           a window before the look is over.
 * Size      Small where there is something: the first byte waits for one of
 *           them. Large where a peek, which counts for nothing else, finds
 *           nothing: a sparse TiB is half a million chunks.
 * Sharing   Who finds every frontier at its end takes from the others' windows,
 *           and waits for those that are being asked.
 *
 * Knows nothing of what it asks: that is the caller's `ops`.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dirty/bitmap.h"
#include "engine/placement/placement.h"
#include "ramjet.h"
#include "util/compiler.h"
#include "util/mutex.h"

/* All of them about pages [first_page, first_page + count) of a block: whole
 * chunks, but at the block's end. Any thread, disjoint pages at a time. */
struct rj_first_round_ops {
	/* Track writes from now on. NULL: they are tracked already. */
	int (*arm)(void *user, unsigned block, uint64_t first_page,
		   uint64_t count, struct ramjet_error *err);
	/* Set a bit for each page that is populated. */
	int (*look)(void *user, unsigned block, uint64_t first_page,
		    uint64_t count, struct rj_bitmap *bm,
		    struct ramjet_error *err);
	/* The first page that seems to be populated, or the end. */
	uint64_t (*peek)(void *user, unsigned block, uint64_t first_page,
			 uint64_t count);
	/* `held` of these `count` are to be sent. May be NULL. */
	void (*found)(void *user, unsigned block, uint64_t count,
		      uint64_t held);
};

struct rj_first_window {
	struct rj_mutex lock; /* lock order: 8 */
	/* guarded by lock */
	unsigned block;
	uint64_t next, end; /* chunks of it not handed out */
} RJ_CACHE_ALIGNED;

struct rj_frontier {
	struct rj_mutex lock; /* lock order: 7, held during a peek */
	uint64_t next;        /* position; guarded by lock */
	uint64_t end;
} RJ_CACHE_ALIGNED;

struct rj_first_round {
	/* immutable after rj_first_round_init() */
	const struct rj_placement *placement; /* borrowed */
	struct rj_bitmap *maps;               /* borrowed: one a block */
	const struct rj_first_round_ops *ops; /* borrowed */
	void *user;
	unsigned worker_count;
	struct rj_first_window *windows; /* one a worker */
	struct rj_frontier *frontiers;   /* one a home */

	/* Pages of which it is not known yet, and those known to be empty. */
	_Atomic uint64_t unasked, empty;
	_Atomic bool stopped;

	struct rj_mutex lock; /* lock order: 8 */
	pthread_cond_t changed;
	/* guarded by lock */
	unsigned asking; /* windows that are being asked */
	uint64_t asked;  /* windows so far */
};

struct rj_first_chunk {
	unsigned block;
	uint64_t chunk;
};

/* Of `maps`, one bitmap a block, by `placement`'s homes; what is set in them
 * already is sent, too. */
RJ_NODISCARD int rj_first_round_init(struct rj_first_round *first,
				     const struct rj_placement *placement,
				     struct rj_bitmap *maps,
				     unsigned block_count,
				     const struct rj_first_round_ops *ops,
				     void *user, struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_first_round_done(struct rj_first_round *first);

/*
 * The next chunk that has bits, for `worker` to take: 1; 0: there is none any
 * more, or all stop. An error of the ops is returned to one worker: the others
 * wait for the stop, since what failed is not known to be sent.
 */
RJ_NODISCARD int rj_first_round_next(struct rj_first_round *first,
				     unsigned worker,
				     struct rj_first_chunk *ret,
				     struct ramjet_error *err);
/* Any thread: all waits end, nothing is handed out any more. */
void rj_first_round_stop(struct rj_first_round *first);

/* Pages not asked for yet, and those that were and hold nothing. Once the first
 * is 0, the maps have all there is. Any thread. */
uint64_t rj_first_round_unasked(const struct rj_first_round *first);
uint64_t rj_first_round_empty(const struct rj_first_round *first);
#endif
