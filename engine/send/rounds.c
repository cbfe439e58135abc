/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a claim may take along what the other map holds, also while siblings are
 * in the round before. "In q": by a worker between its fences of q - 1 and q.
 * 1. In q no page is sent twice. Its chunk's bits of q are all taken at once,
 *    and none is set while q is open: so only one claim in q can send the chunk.
 *    In a round of parts each bit is taken once, and nothing comes along.
 *    Round 0 may be filled while it is open, but a chunk is handed out once,
 *    after all its bits are set, and nobody leaves the round before all are
 *    handed out: who is in round 1 finds no bit of 0 that is set later.
 * 2. A copy sent in q that lacks a write is followed by one in a later round.
 *    The write came after the page was read, so a collect from then on marks it
 *    for a round s > q, as q is open. That bit is taken in s - 1 or later: later
 *    than q, unless s - 1 = q. But in q, by 1, only the copy's own claim could
 *    take it along, and that had taken its bits before the page was read.
 * 3. The target applies rounds in order (fences). So the copy that lands last
 *    lacks no write that was collected: once no bit is left, none at all.
 */
#include "engine/send/rounds.h"

#include <assert.h>
#include <errno.h>
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
	rounds->left = calloc(worker_count, sizeof(*rounds->left));
	if (!rounds->left) {
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
	free(rounds->left);
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

static uint32_t next_round(struct rj_rounds *rounds)
{
	uint32_t next;

	rj_lock(&rounds->lock);
	next = next_locked(rounds);
	rj_unlock(&rounds->lock);
	return next;
}

/* True when every worker has left all rounds before `round`. */
static bool all_left_locked(const struct rj_rounds *rounds, uint32_t round)
	RJ_REQUIRES(rounds->lock)
{
	for (unsigned i = 0; i < rounds->worker_count; i++)
		if (rounds->left[i] < round)
			return false;
	return true;
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
	const unsigned parity = next_round(rounds) & 1;

	merge_marks(rounds, parity);
	return rounds->sinks[parity];
}

void rj_rounds_filled(struct rj_rounds *rounds, uint64_t marked)
{
	atomic_fetch_add(&rounds->pages_left[next_round(rounds) & 1],
			 (int64_t)marked);
}

/* What was found to hold nothing was counted, and nobody claims it. */
static int64_t empty_pages(const struct rj_rounds *rounds, unsigned parity)
{
	return rounds->first && !parity
		       ? (int64_t)rj_first_round_empty(rounds->first)
		       : 0;
}

static uint64_t pages_of(const struct rj_rounds *rounds, uint32_t round)
{
	const unsigned parity = round & 1;
	const int64_t pages = atomic_load(&rounds->pages_left[parity]) -
			      empty_pages(rounds, parity);

	return pages > 0 ? (uint64_t)pages : 0;
}

uint64_t rj_rounds_next_pages(struct rj_rounds *rounds)
{
	return pages_of(rounds, next_round(rounds));
}

uint64_t rj_rounds_open_pages(struct rj_rounds *rounds)
{
	return pages_of(rounds, next_round(rounds) + 1);
}

uint64_t rj_rounds_remaining(const struct rj_rounds *rounds)
{
	return pages_of(rounds, 0) + pages_of(rounds, 1);
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
	/* Whoever enters it has seen it: he takes the lock for that. */
	atomic_store_explicit(&rounds->opened, round, memory_order_relaxed);
	rounds->begun = true;
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
	*ret_final = rounds->final && rounds->open == round;
	rj_unlock(&rounds->lock);
	return result;
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

/* The first chunk with dirt at a position in [from, end): its position, or
 * end. */
static uint64_t find_chunk(const struct rj_rounds *rounds, unsigned parity,
			   uint64_t from, uint64_t end,
			   const struct rj_stretch **ret)
{
	const struct rj_placement *placement = rounds->placement;
	unsigned i = rj_placement_at(placement, from);

	for (; from < end; i++) {
		const struct rj_stretch *s = &placement->stretches[i];
		const uint64_t stop = s->position + s->chunks < end
					      ? s->position + s->chunks
					      : end;
		const uint64_t found = rj_bitmap_next_chunk(
			&rounds->maps[parity][s->block],
			s->first_chunk + (from - s->position),
			s->first_chunk + (stop - s->position));

		from = s->position + (found - s->first_chunk);
		if (from < stop) {
			*ret = s;
			return from;
		}
	}
	return end;
}

static void account_claim(struct rj_rounds *rounds, unsigned parity,
			  unsigned pages)
{
	const int64_t left =
		atomic_fetch_sub(&rounds->pages_left[parity], (int64_t)pages) -
		(int64_t)pages - empty_pages(rounds, parity);

	if (left < atomic_load_explicit(&rounds->low_pages,
					memory_order_relaxed) &&
	    !atomic_exchange(&rounds->low_told, true))
		rj_event_signal(rounds->event_fd);
}

/* What the other map has of a claimed chunk comes along: see on top. */
static void take_next(struct rj_rounds *rounds, unsigned next, uint64_t chunk,
		      struct rj_claim *ret)
{
	struct rj_bitmap *map = &rounds->maps[next][ret->block];
	unsigned extra = 0;

	/* Cheap look first; a bit set meanwhile stays for a later claim. */
	if (rj_bitmap_next_chunk(map, chunk, chunk + 1) == chunk)
		extra = rj_bitmap_claim_chunk(map, chunk, ret->words);
	if (!extra)
		return;
	atomic_fetch_sub(&rounds->pages_left[next], (int64_t)extra);
	ret->pages = 0;
	for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++)
		ret->pages += rj_popcount(ret->words[i]);
}

static unsigned take_chunk(struct rj_rounds *rounds, unsigned parity,
			   unsigned block, uint64_t chunk, struct rj_claim *ret)
{
	struct rj_bitmap *map = &rounds->maps[parity][block];
	/* relaxed: we entered the round under the lock, after it was written */
	const unsigned part = atomic_load_explicit(&rounds->part_pages[parity],
						   memory_order_relaxed);

	*ret = (struct rj_claim){
		.block = block,
		.first_page = chunk * RJ_CHUNK_PAGES,
	};
	ret->pages = part ? rj_bitmap_claim_part(map, chunk, part, ret->words)
			  : rj_bitmap_claim_chunk(map, chunk, ret->words);
	if (!ret->pages)
		return 0;
	account_claim(rounds, parity, ret->pages);
	if (!part)
		take_next(rounds, !parity, chunk, ret);
	return ret->pages;
}

/*
 * A home's cursor is a hint shared by all who work in it: everything before
 * it was clear when it was written, and no bit of this round is set while the
 * round is open. Storing an older position merely scans again.
 */
static bool claim_in_home(struct rj_rounds *rounds, unsigned parity,
			  unsigned worker, struct rj_claim *ret)
{
	struct rj_cursor *cursor = &rounds->cursors[parity][worker];
	const uint64_t end = rounds->placement->homes[worker].end;
	uint64_t at =
		atomic_load_explicit(&cursor->chunk, memory_order_relaxed);
	const struct rj_stretch *stretch = NULL;

	for (;;) {
		at = find_chunk(rounds, parity, at, end, &stretch);
		/* relaxed: a hint; the bits themselves arbitrate */
		atomic_store_explicit(&cursor->chunk, at, memory_order_relaxed);
		if (at == end)
			return false;
		if (take_chunk(rounds, parity, stretch->block,
			       stretch->first_chunk + (at - stretch->position),
			       ret))
			return true;
		at++;
	}
}

/* Its cursors stay where they are: they would pass what is set later. */
static int claim_found(struct rj_rounds *rounds, unsigned worker,
		       struct rj_claim *ret, struct ramjet_error *err)
{
	struct rj_first_chunk at;
	int rc;

	while ((rc = rj_first_round_next(rounds->first, worker, &at, err)) > 0)
		if (take_chunk(rounds, 0, at.block, at.chunk, ret))
			return 1;
	return rc;
}

int rj_rounds_claim(struct rj_rounds *rounds, unsigned worker, uint32_t round,
		    struct rj_claim *ret, struct ramjet_error *err)
{
	const uint16_t *order = rounds->placement->order +
				worker * rounds->placement->home_count;

	if (atomic_load_explicit(&rounds->stopped, memory_order_relaxed))
		return 0;
	if (!round && rounds->first)
		return claim_found(rounds, worker, ret, err);
	for (unsigned i = 0; i < rounds->placement->home_count; i++)
		if (claim_in_home(rounds, round & 1, order[i], ret))
			return 1;
	return 0;
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
	if (all_left_locked(rounds, round + 1))
		atomic_store_explicit(&rounds->left_by_all, round + 1,
				      memory_order_release);
	rj_unlock(&rounds->lock);
	rj_event_signal(rounds->event_fd);
}
