/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/rounds.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "engine/link/event.h"
#include "util/bits.h"
#include "util/error.h"

/* Shorter rounds are over before waiting in them pays: decision 016. */
#define LONG_ROUND_PAGES ((64u << 20) / RAMJET_PAGE_BYTES)

static int init_map(struct rj_rounds *rounds, unsigned parity,
		    struct ramjet_error *err)
{
	int rc;

	rounds->maps[parity] =
		calloc(rounds->block_count, sizeof(struct rj_bitmap));
	rounds->sinks[parity] =
		calloc(rounds->block_count, sizeof(struct rj_bitmap *));
	rounds->cursors[parity] = aligned_alloc(
		64, rounds->worker_count * sizeof(struct rj_cursor));
	if (!rounds->maps[parity] || !rounds->sinks[parity] ||
	    !rounds->cursors[parity])
		return rj_fail(err, -ENOMEM, "rounds: out of memory");
	for (unsigned i = 0; i < rounds->worker_count; i++)
		atomic_init(&rounds->cursors[parity][i].chunk, 0);
	for (unsigned i = 0; i < rounds->block_count; i++) {
		rc = rj_bitmap_init(&rounds->maps[parity][i],
				    rounds->blocks[i].page_count, err);
		if (rc)
			return rc;
		rounds->sinks[parity][i] = &rounds->maps[parity][i];
	}
	return 0;
}

static void done_maps(struct rj_bitmap *maps, unsigned count)
{
	for (unsigned i = 0; maps && i < count; i++)
		rj_bitmap_done(&maps[i]);
	free(maps);
}

/* As if there were one NUMA node. */
static int place_by_address(struct rj_rounds *rounds, unsigned home_count,
			    struct ramjet_error *err)
{
	struct rj_stretch *blocks =
		calloc(rounds->block_count, sizeof(*blocks));
	const struct rj_placement_wish wish = {
		.stretches = blocks,
		.stretch_count = rounds->block_count,
		.worker_count = rounds->worker_count,
		.home_count = home_count,
		.nic_node = RJ_NODE_ANY,
	};
	int rc;

	if (!blocks)
		return rj_fail(err, -ENOMEM, "rounds: out of memory");
	for (unsigned i = 0; i < rounds->block_count; i++)
		blocks[i] = (struct rj_stretch){
			.block = i,
			.node = RJ_NODE_ANY,
			.chunks = rounds->maps[0][i].chunk_count,
		};
	rc = rj_placement_init(&rounds->by_address, &wish, err);
	free(blocks);
	rounds->placement = &rounds->by_address;
	return rc;
}

int rj_rounds_init(struct rj_rounds *rounds, const struct rj_block *blocks,
		   unsigned block_count, unsigned worker_count, int event_fd,
		   struct ramjet_error *err)
{
	int rc;

	*rounds = (struct rj_rounds){
		.blocks = blocks,
		.block_count = block_count,
		.worker_count = worker_count,
		.long_pages = LONG_ROUND_PAGES,
		.active = worker_count,
		.event_fd = event_fd,
	};
	rj_mutex_init(&rounds->lock);
	rj_cond_init(&rounds->changed);
	rounds->in = worker_count;
	rounds->left = calloc(worker_count, sizeof(*rounds->left));
	rounds->out = calloc(worker_count, sizeof(*rounds->out));
	if (!rounds->left || !rounds->out) {
		rj_rounds_done(rounds);
		return rj_fail(err, -ENOMEM, "rounds: out of memory");
	}
	rc = init_map(rounds, 0, err);
	if (!rc)
		rc = init_map(rounds, 1, err);
	if (!rc)
		rc = rj_told_init(&rounds->told, blocks, block_count, err);
	if (!rc)
		rc = place_by_address(rounds, worker_count, err);
	if (rc)
		rj_rounds_done(rounds);
	return rc;
}

int rj_rounds_set_homes(struct rj_rounds *rounds, unsigned count,
			struct ramjet_error *err)
{
	assert(count && count <= rounds->worker_count);
	rj_placement_done(&rounds->by_address);
	return place_by_address(rounds, count, err);
}

void rj_rounds_place(struct rj_rounds *rounds,
		     const struct rj_placement *placement)
{
	rounds->placement = placement;
}

int rj_rounds_hold_back(struct rj_rounds *rounds, bool skips,
			struct ramjet_error *err)
{
	assert(!rounds->begun);
	rounds->skips = skips;
	return rj_heat_init(&rounds->heat, rounds->blocks, rounds->block_count,
			    err);
}

int rj_rounds_rearm(struct rj_rounds *rounds, struct ramjet_error *err)
{
	assert(!rounds->begun);
	rounds->taking = aligned_alloc(64, rounds->worker_count *
						   sizeof(*rounds->taking));
	if (!rounds->taking)
		return rj_fail(err, -ENOMEM, "rounds: out of memory");
	for (unsigned i = 0; i < rounds->worker_count; i++)
		atomic_init(&rounds->taking[i].round, 0);
	return 0;
}

void rj_rounds_done(struct rj_rounds *rounds)
{
	if (!rounds->worker_count)
		return;
	for (unsigned parity = 0; parity < 2; parity++) {
		done_maps(rounds->maps[parity], rounds->block_count);
		free(rounds->sinks[parity]);
		free(rounds->cursors[parity]);
	}
	rj_told_done(&rounds->told);
	rj_heat_done(&rounds->heat);
	free(rounds->left);
	free(rounds->out);
	free(rounds->taking);
	rj_placement_done(&rounds->by_address);
	(void)pthread_cond_destroy(&rounds->changed);
	rj_mutex_done(&rounds->lock);
	*rounds = (struct rj_rounds){ 0 };
}

/* ---- control thread ---- */

static uint32_t next_locked(const struct rj_rounds *rounds)
	RJ_REQUIRES(rounds->lock)
{
	return rounds->begun ? rounds->open + 1 : 0;
}

uint32_t rj_rounds_next(struct rj_rounds *rounds)
{
	uint32_t next;

	rj_lock(&rounds->lock);
	next = next_locked(rounds);
	rj_unlock(&rounds->lock);
	return next;
}

/* True when every worker that is in has left all rounds before `round`. While
 * none is, nobody has: there are pages that nobody takes. */
static bool all_left_locked(const struct rj_rounds *rounds, uint32_t round)
	RJ_REQUIRES(rounds->lock)
{
	for (unsigned i = 0; i < rounds->worker_count; i++)
		if (!rounds->out[i] && rounds->left[i] < round)
			return false;
	return rounds->in;
}

/* Never back: whoever joins begins where all have been. */
static void raise_left_by_all_locked(struct rj_rounds *rounds)
	RJ_REQUIRES(rounds->lock)
{
	uint32_t round = atomic_load_explicit(&rounds->left_by_all,
					      memory_order_relaxed);

	while (all_left_locked(rounds, round + 1))
		round++;
	/* Release: what they did there comes before. */
	atomic_store_explicit(&rounds->left_by_all, round,
			      memory_order_release);
}

bool rj_rounds_can_fill(struct rj_rounds *rounds)
{
	bool can;

	rj_lock(&rounds->lock);
	can = !rounds->begun || all_left_locked(rounds, rounds->open);
	rj_unlock(&rounds->lock);
	return can;
}

bool rj_rounds_all_left(struct rj_rounds *rounds)
{
	bool all;

	rj_lock(&rounds->lock);
	all = rounds->begun && all_left_locked(rounds, rounds->open + 1);
	rj_unlock(&rounds->lock);
	return all;
}

static void merge_marks(struct rj_rounds *rounds, unsigned parity)
{
	uint64_t marked = 0;

	for (unsigned i = 0; i < rounds->block_count; i++)
		marked += rj_told_take(&rounds->told, i,
				       &rounds->maps[parity][i]);
	atomic_fetch_add(&rounds->pages_left[parity], (int64_t)marked);
}

struct rj_bitmap *const *rj_rounds_sink(struct rj_rounds *rounds)
{
	const uint32_t next = rj_rounds_next(rounds);
	const unsigned parity = next & 1;

	/* Release: pairs with the acquire in skip_next(). All workers have left
	 * the round whose map this was. */
	atomic_store_explicit(&rounds->filling, next, memory_order_release);
	merge_marks(rounds, parity);
	return rounds->sinks[parity];
}

void rj_rounds_filled(struct rj_rounds *rounds, uint64_t marked)
{
	atomic_fetch_add(&rounds->pages_left[rj_rounds_next(rounds) & 1],
			 (int64_t)marked);
}

int64_t rj_rounds_empty(const struct rj_rounds *rounds, unsigned parity)
{
	return rounds->first && !parity
		       ? (int64_t)rj_first_round_empty(rounds->first)
		       : 0;
}

static uint64_t pages_of(const struct rj_rounds *rounds, uint32_t round)
{
	const unsigned parity = round & 1;
	const int64_t pages = atomic_load(&rounds->pages_left[parity]) -
			      rj_rounds_empty(rounds, parity);

	return pages > 0 ? (uint64_t)pages : 0;
}

uint64_t rj_rounds_next_pages(struct rj_rounds *rounds)
{
	return pages_of(rounds, rj_rounds_next(rounds));
}

uint64_t rj_rounds_open_pages(struct rj_rounds *rounds)
{
	return pages_of(rounds, rj_rounds_next(rounds) + 1);
}

uint64_t rj_rounds_remaining(const struct rj_rounds *rounds)
{
	return pages_of(rounds, 0) + pages_of(rounds, 1) +
	       rounds->heat.held_pages;
}

unsigned rj_rounds_active(const struct rj_rounds *rounds)
{
	/* relaxed: seen late, it makes a worker claim a chunk more or less */
	return atomic_load_explicit(&rounds->active, memory_order_relaxed);
}

void rj_rounds_set_active(struct rj_rounds *rounds, unsigned count)
{
	assert(count && count <= rounds->worker_count);
	rj_lock(&rounds->lock);
	atomic_store_explicit(&rounds->active, count, memory_order_relaxed);
	(void)pthread_cond_broadcast(&rounds->changed);
	rj_unlock(&rounds->lock);
}

void rj_rounds_find_first(struct rj_rounds *rounds,
			  struct rj_first_round *first)
{
	assert(!rounds->begun);
	rounds->first = first;
	/* All of it, with what is marked by now. */
	atomic_store(&rounds->pages_left[0],
		     (int64_t)rj_first_round_unasked(first));
}

bool rj_rounds_all_found(const struct rj_rounds *rounds)
{
	return !rounds->first || !rj_first_round_unasked(rounds->first);
}

/* Each worker's share of a small round, in whole words. */
static unsigned part_of(const struct rj_rounds *rounds, uint64_t pages)
{
	const unsigned active = rj_rounds_active(rounds);
	const uint64_t share = rj_div_round_up(pages, active);

	/* A chunk that is handed out is handed out as a whole. */
	if (!rj_rounds_all_found(rounds))
		return 0;
	return active > 1 && share < RJ_CHUNK_PAGES
		       ? (unsigned)rj_div_round_up(share, RJ_WORD_BITS) *
				 RJ_WORD_BITS
		       : 0;
}

uint32_t rj_rounds_open(struct rj_rounds *rounds, bool final)
{
	uint32_t round;

	rj_lock(&rounds->lock);
	round = next_locked(rounds);
	for (unsigned i = 0; i < rounds->placement->home_count; i++)
		atomic_store(&rounds->cursors[round & 1][i].chunk,
			     rounds->placement->homes[i].first);
	atomic_store_explicit(&rounds->part_pages[round & 1],
			      part_of(rounds, pages_of(rounds, round)),
			      memory_order_relaxed);
	rounds->open = round;
	rounds->begun = true;
	if (final && !rounds->final)
		rounds->final_from = round;
	rounds->final = final;
	rounds->resting =
		!final && pages_of(rounds, round) >= rounds->long_pages;
	atomic_store(&rounds->low_told, false);
	(void)pthread_cond_broadcast(&rounds->changed);
	rj_unlock(&rounds->lock);
	return round;
}

void rj_rounds_set_low(struct rj_rounds *rounds, uint64_t pages)
{
	atomic_store(&rounds->low_pages, (int64_t)pages);
}

void rj_rounds_lose(struct rj_rounds *rounds, unsigned worker)
{
	rj_lock(&rounds->lock);
	assert(!rounds->out[worker]);
	rounds->out[worker] = true;
	rounds->in--;
	atomic_store_explicit(&rounds->active, rounds->worker_count,
			      memory_order_relaxed);
	if (rounds->in)
		raise_left_by_all_locked(rounds);
	(void)pthread_cond_broadcast(&rounds->changed);
	rj_unlock(&rounds->lock);
	rj_event_signal(rounds->event_fd);
}

uint32_t rj_rounds_join(struct rj_rounds *rounds, unsigned worker,
			uint32_t least)
{
	uint32_t round = least;
	uint32_t left;

	rj_lock(&rounds->lock);
	assert(rounds->out[worker]);
	/* If all were lost that were in the round before the open one, there
	 * may be pages left of it, and nobody else to take them. Not where all
	 * have been: its map may be the next one's by now, and who keeps copies
	 * of pages would take it for one that has left (left_by_all). */
	left = atomic_load_explicit(&rounds->left_by_all, memory_order_relaxed);
	round = round < left ? left : round;
	round = round + 1 < rounds->open ? rounds->open - 1 : round;
	rounds->left[worker] = round;
	rounds->out[worker] = false;
	rounds->in++;
	rj_unlock(&rounds->lock);
	return round;
}

bool rj_rounds_counts(struct rj_rounds *rounds, unsigned worker)
{
	bool counts;

	rj_lock(&rounds->lock);
	counts = !rounds->out[worker];
	rj_unlock(&rounds->lock);
	return counts;
}

void rj_rounds_stop(struct rj_rounds *rounds)
{
	rj_lock(&rounds->lock);
	rounds->stopping = true;
	/* relaxed: claimers only need to see it soon. Who waits in round 0 must
	 * see it when he wakes up, or he would send a fence: so it comes first,
	 * and the lock that wakes him orders it. */
	atomic_store_explicit(&rounds->stopped, true, memory_order_relaxed);
	if (rounds->first)
		rj_first_round_stop(rounds->first);
	(void)pthread_cond_broadcast(&rounds->changed);
	rj_unlock(&rounds->lock);
}

void rj_rounds_kick(struct rj_rounds *rounds)
{
	rj_lock(&rounds->lock);
	rounds->kicks++;
	(void)pthread_cond_broadcast(&rounds->changed);
	rj_unlock(&rounds->lock);
}

/* ---- workers ---- */

static bool is_final_locked(const struct rj_rounds *rounds, uint32_t round)
	RJ_REQUIRES(rounds->lock)
{
	return rounds->final && round >= rounds->final_from;
}

bool rj_rounds_is_final(struct rj_rounds *rounds, uint32_t round)
{
	bool final;

	rj_lock(&rounds->lock);
	final = is_final_locked(rounds, round);
	rj_unlock(&rounds->lock);
	return final;
}

/* Until all claims of earlier rounds are rearmed. No new ones come: who is here has
 * found that nothing is left there. */
static void await_armed(struct rj_rounds *rounds, uint32_t round)
{
	for (unsigned i = 0; rounds->taking && i < rounds->worker_count; i++) {
		const _Atomic uint32_t *taking = &rounds->taking[i].round;
		uint32_t in;

		/* Between a claim and its rearming there is one system call. */
		while ((in = atomic_load(taking)) && in <= round &&
		       !atomic_load_explicit(&rounds->stopped,
					     memory_order_relaxed))
			(void)sched_yield();
	}
}

enum rj_enter rj_rounds_enter(struct rj_rounds *rounds, uint32_t round,
			      uint64_t *kicks, bool *ret_final)
{
	enum rj_enter result = RJ_ENTER_OPEN;

	rj_lock(&rounds->lock);
	while (!rounds->stopping && *kicks == rounds->kicks &&
	       !(rounds->begun && (rounds->open >= round || rounds->final)))
		rj_cond_wait(&rounds->changed, &rounds->lock);
	if (rounds->stopping)
		result = RJ_ENTER_STOP;
	else if (*kicks != rounds->kicks)
		result = RJ_ENTER_KICKED;
	else if (rounds->open < round)
		result = RJ_ENTER_NO_MORE;
	*kicks = rounds->kicks;
	*ret_final = is_final_locked(rounds, round);
	rj_unlock(&rounds->lock);
	if (result == RJ_ENTER_OPEN)
		await_armed(rounds, round);
	return result;
}

void rj_rounds_wait_more(struct rj_rounds *rounds, uint32_t round,
			 uint64_t *kicks)
{
	rj_lock(&rounds->lock);
	while (!rounds->stopping && *kicks == rounds->kicks &&
	       rounds->open < round)
		rj_cond_wait(&rounds->changed, &rounds->lock);
	*kicks = rounds->kicks;
	rj_unlock(&rounds->lock);
}

bool rj_rounds_wait_kick(struct rj_rounds *rounds, uint64_t *kicks)
{
	bool stopping;

	rj_lock(&rounds->lock);
	while (!rounds->stopping && *kicks == rounds->kicks)
		rj_cond_wait(&rounds->changed, &rounds->lock);
	*kicks = rounds->kicks;
	stopping = rounds->stopping;
	rj_unlock(&rounds->lock);
	return stopping;
}

bool rj_rounds_rest(struct rj_rounds *rounds, unsigned worker, uint32_t round)
{
	bool wanted;

	rj_lock(&rounds->lock);
	/* Nobody waits in a round when a newer one is open. */
	while (worker >= rj_rounds_active(rounds) && !rounds->stopping &&
	       rounds->resting && rounds->open == round &&
	       rounds->exhausted <= round)
		rj_cond_wait(&rounds->changed, &rounds->lock);
	wanted = worker < rj_rounds_active(rounds);
	rj_unlock(&rounds->lock);
	return wanted;
}

void rj_rounds_exhausted(struct rj_rounds *rounds, uint32_t round)
{
	/* All workers are active: nobody waits in rj_rounds_rest(). */
	if (rj_rounds_active(rounds) == rounds->worker_count)
		return;
	rj_lock(&rounds->lock);
	if (rounds->exhausted <= round) {
		rounds->exhausted = round + 1;
		(void)pthread_cond_broadcast(&rounds->changed);
	}
	rj_unlock(&rounds->lock);
}

void rj_rounds_leave(struct rj_rounds *rounds, unsigned worker, uint32_t round)
{
	rj_lock(&rounds->lock);
	rounds->left[worker] = round + 1;
	if (!rounds->out[worker])
		raise_left_by_all_locked(rounds);
	rj_unlock(&rounds->lock);
	rj_event_signal(rounds->event_fd);
}
