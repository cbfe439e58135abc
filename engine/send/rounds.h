/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_ROUNDS_H
#define RJ_ENGINE_SEND_ROUNDS_H
/*
 * Rounds: who sends which page when.
 *
 * Goal      Workers find dirty pages without waiting for each other, and no
 *           page is ever on its way twice in one round.
 * Actors    The control thread fills the next round and opens it. Workers
 *           claim chunks of the open round, leave it when none is left, and go
 *           on to the next as soon as it is open.
 * Bitmaps   Round r uses maps[r & 1]. While r is open, dirt goes to r + 1,
 *           whose map is the one of r - 1. So filling r + 1 may begin only
 *           when every worker has left r - 1: else a straggler would send a
 *           page of r + 1 in r - 1, before its older copy in r. So no bit of
 *           a round is set while it is open, workers are in two rounds at
 *           most, and the bits of r are taken in r - 1, r or r + 1. Only
 *           round 0 may be filled while it is open, window by window
 *           (first_round.h); it is left when there are no more.
 * Claiming  takes a chunk's bits of this round and, when it has some, those
 *           of the other map. The page is read after both are cleared: a later
 *           write is seen by a later sync. Why that is right is proved on top
 *           of rounds_claim.c.
 *           A round of few pages is cut smaller, so that all channels share it:
 *           a claim then is part of a chunk, and nothing is taken along: it
 *           might be a page of another part, which would go twice in a round.
 * Skipping  instead leaves a page that both have to the next round: it was
 *           written again already, and would go twice. Where hot pages go last
 *           (heat.h), and the dirty source tells of writes to what was not sent
 *           yet.
 * Rearming  Where a dirty source forgets what was written when its pages are
 *           rearmed, nobody enters a round before all claims of earlier ones are:
 *           a page that is rearmed late in q would take with it what was written
 *           since it was sent in q + 1 (rounds_claim.c, 4).
 * Active    Some workers may be told to rest. In a long round they wait for
 *           its end, or to be wanted after all; in a short one, and in the
 *           final one, they pass the fence at once. Homes are for those who
 *           are active at first: the others help them.
 * Lost      A worker whose connection is lost is taken out once it has ended:
 *           nobody waits for it any more, and what it may have left unsent is
 *           marked as dirty (rj_told_mark()). It may come back: then it takes
 *           part in the open round, or in the next one if all have left that.
 *           While none is in, no round can be filled. The final round can be
 *           followed by another one, when pages came back.
 * Ordering  is the receiver's: pages of r + 1 wait there until every channel
 *           has delivered its fence of round r.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dirty/bitmap.h"
#include "engine/guest/guest.h"
#include "engine/placement/placement.h"
#include "engine/send/first_round.h"
#include "engine/send/heat.h"
#include "engine/send/told.h"
#include "ramjet.h"
#include "util/compiler.h"
#include "util/mutex.h"

struct rj_claim {
	unsigned block;
	uint64_t first_page;
	unsigned pages; /* bits set in words */
	uint64_t words[RJ_CHUNK_WORDS];
};

struct rj_cursor {
	_Atomic uint64_t chunk;
} RJ_CACHE_ALIGNED; /* workers in other homes must not share the line */

/* A worker's claim whose pages are not rearmed yet: its round, plus one; or 0. */
struct rj_taking {
	_Atomic uint32_t round;
} RJ_CACHE_ALIGNED;

struct rj_rounds {
	/* immutable after rj_rounds_init() */
	const struct rj_block *blocks; /* borrowed */
	unsigned block_count;
	unsigned worker_count;
	/* homes as equal slices; used until rj_rounds_place() */
	struct rj_placement by_address;
	const struct rj_placement *placement;
	uint64_t long_pages; /* nobody rests in rounds of fewer */
	struct rj_bitmap *maps[2];
	struct rj_bitmap **sinks[2]; /* the same, as collect() wants them */
	struct rj_told told; /* from other threads, until the next fill */
	/* What finds round 0's pages while it is open; NULL: it is filled as
	 * the others are. Borrowed. */
	struct rj_first_round *first;
	/* What is held back is dirty, too. The control thread's. */
	struct rj_heat heat;
	/* What the next round's map has already is left to that round. */
	bool skips;
	_Atomic uint32_t filling; /* the round whose map is being filled */
	_Atomic uint64_t skipped_pages; /* so far */
	int event_fd; /* told when workers leave a round or it runs low */

	struct rj_cursor *cursors[2]; /* one a home; hints, see claim */
	/* Pages that make a claim; 0: whole chunks. Set before opening. */
	_Atomic unsigned part_pages[2];
	_Atomic int64_t pages_left[2];
	_Atomic int64_t low_pages; /* tell the control thread below this */
	_Atomic bool low_told;
	_Atomic bool stopped; /* mirrors `stopping` for claimers */
	/* Workers below this claim; written under the lock. */
	_Atomic unsigned active;
	/* How many rounds every worker has left; written under the lock. For who
	 * keeps copies of what was sent (engine/page/delta_cache.h). */
	_Atomic uint32_t left_by_all;
	struct rj_taking *taking; /* one a worker; NULL: nothing is rearmed */

	struct rj_mutex lock; /* lock order: 4 */
	pthread_cond_t changed;
	/* guarded by lock */
	bool begun;         /* round 0 is open */
	bool final;         /* the open round is the last */
	bool stopping;      /* all workers are to end */
	bool resting;       /* the open round is long enough to wait in */
	uint32_t exhausted; /* rounds in which nothing is left to claim */
	uint32_t open;
	uint32_t final_from; /* the first round that was to be the last */
	uint32_t *left;      /* per worker: rounds left so far */
	bool *out;           /* per worker: lost, and not back */
	unsigned in;         /* workers that are not */
	uint64_t kicks;      /* wake-ups for other reasons */
};

RJ_NODISCARD int rj_rounds_init(struct rj_rounds *rounds,
				const struct rj_block *blocks,
				unsigned block_count, unsigned worker_count,
				int event_fd, struct ramjet_error *err);
/* Homes by this, of the same blocks and as many workers; borrowed. Before the
 * first round is opened and the workers begin. */
void rj_rounds_place(struct rj_rounds *rounds,
		     const struct rj_placement *placement);
/* Safe on a zeroed struct. */
void rj_rounds_done(struct rj_rounds *rounds);
/* Only the first `count` workers, 1 to all, have homes; as long as nothing else
 * is said by rj_rounds_place(). Before that, and before the workers begin. */
RJ_NODISCARD int rj_rounds_set_homes(struct rj_rounds *rounds, unsigned count,
				     struct ramjet_error *err);

/* Round 0 has whatever `first`, made of these rounds' maps and placement, finds.
 * Borrowed; before it is opened. */
void rj_rounds_find_first(struct rj_rounds *rounds,
			  struct rj_first_round *first);

/* Hot pages last; `skips`: see on top. Before round 0 is opened. */
RJ_NODISCARD int rj_rounds_hold_back(struct rj_rounds *rounds, bool skips,
				     struct ramjet_error *err);

/* The pages of each claim are rearmed, which rj_rounds_armed() tells. Before round 0
 * is opened. */
RJ_NODISCARD int rj_rounds_rearm(struct rj_rounds *rounds,
				 struct ramjet_error *err);

/* ---- control thread ---- */

/* The one that will be opened next. */
uint32_t rj_rounds_next(struct rj_rounds *rounds);
/* True when the next round's map may be filled. */
bool rj_rounds_can_fill(struct rj_rounds *rounds);
/* One bitmap a block: fill, then report what was newly marked. Marks made by
 * rj_told_mark() so far are already in them. */
struct rj_bitmap *const *rj_rounds_sink(struct rj_rounds *rounds);
void rj_rounds_filled(struct rj_rounds *rounds, uint64_t marked);
/* Is it known what round 0 holds? Until then its pages are counted as if all of
 * memory not asked for were populated. */
bool rj_rounds_all_found(const struct rj_rounds *rounds);
/* Pages in the next round's map, and those of the open round not yet claimed.
 */
uint64_t rj_rounds_next_pages(struct rj_rounds *rounds);
uint64_t rj_rounds_open_pages(struct rj_rounds *rounds);
/* Pages of round `parity` that were counted and hold nothing: nobody claims
 * them. */
int64_t rj_rounds_empty(const struct rj_rounds *rounds, unsigned parity);
/* Both together, and what is held back: dirty and not yet claimed. */
uint64_t rj_rounds_remaining(const struct rj_rounds *rounds);
/* Open the next round (the first call opens round 0); returns its number. */
uint32_t rj_rounds_open(struct rj_rounds *rounds, bool final);
/* True when every worker has left the newest round. */
bool rj_rounds_all_left(struct rj_rounds *rounds);
/* Only the first `count` workers, 1 to all, are to claim from now on; all are
 * until this is called. Any thread. */
void rj_rounds_set_active(struct rj_rounds *rounds, unsigned count);
/* Tell the control thread (event_fd) once fewer pages than this are left. */
void rj_rounds_set_low(struct rj_rounds *rounds, uint64_t pages);
/* The worker was lost, and has ended: it counts no more, and all others work. */
void rj_rounds_lose(struct rj_rounds *rounds, unsigned worker);
/* It is back: it claims from the round on that is returned, `least` or a later one;
 * of rounds before it has nothing. Before its thread begins. */
uint32_t rj_rounds_join(struct rj_rounds *rounds, unsigned worker,
			uint32_t least);
/* Do others wait for it? Not if it is lost. */
bool rj_rounds_counts(struct rj_rounds *rounds, unsigned worker);
/* All waits end, claims find nothing. Any thread. */
void rj_rounds_stop(struct rj_rounds *rounds);
/* Wake waiting workers, e.g. for the outbox. Any thread. */
void rj_rounds_kick(struct rj_rounds *rounds);

/* ---- workers ---- */

enum rj_enter {
	RJ_ENTER_OPEN,    /* claim away */
	RJ_ENTER_KICKED,  /* look at your other duties and ask again */
	RJ_ENTER_NO_MORE, /* the final round is over; rj_rounds_wait_more() */
	RJ_ENTER_STOP,
};
/* Wait until `round` is open. `*kicks` is the worker's memory of kicks seen.
 */
enum rj_enter rj_rounds_enter(struct rj_rounds *rounds, uint32_t round,
			      uint64_t *kicks, bool *ret_final);
/* Does the fence of `round` say that it is the last? It stays so when another
 * one follows after all. */
bool rj_rounds_is_final(struct rj_rounds *rounds, uint32_t round);
/* The final round is over: wait for a kick, the stop, or for `round` to be opened
 * after all. */
void rj_rounds_wait_more(struct rj_rounds *rounds, uint32_t round,
			 uint64_t *kicks);
/* Wait for a kick (false) or the stop (true). */
bool rj_rounds_wait_kick(struct rj_rounds *rounds, uint64_t *kicks);
/* Take a chunk of `round`, or a part of one: 1; 0 when none is left (or
 * stopping). An error only from what finds round 0's pages. */
RJ_NODISCARD int rj_rounds_claim(struct rj_rounds *rounds, unsigned worker,
				 uint32_t round, struct rj_claim *ret,
				 struct ramjet_error *err);
/* The worker's latest claim is rearmed, or will not be: it failed. */
static inline void rj_rounds_armed(struct rj_rounds *rounds, unsigned worker)
{
	/* Release: the rearming comes before. */
	if (rounds->taking)
		atomic_store_explicit(&rounds->taking[worker].round, 0,
				      memory_order_release);
}
/* How many workers are to claim. Any thread. */
unsigned rj_rounds_active(const struct rj_rounds *rounds);
/* Wait until `worker` is to claim after all (true), or nothing is left to be
 * claimed in `round` (false). Nothing of the worker's may be in flight. */
bool rj_rounds_rest(struct rj_rounds *rounds, unsigned worker, uint32_t round);
/* A worker has found nothing left to claim: those who rest may go on. */
void rj_rounds_exhausted(struct rj_rounds *rounds, uint32_t round);
/* The worker's fence of `round` is on its way. */
void rj_rounds_leave(struct rj_rounds *rounds, unsigned worker, uint32_t round);
#endif
