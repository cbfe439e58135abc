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
 *    What is skipped in q is set for q + 1, and its copy in q would lack the
 *    write that set it. Where pages are skipped nothing is taken along: so it
 *    is taken in q + 1, or skipped there for q + 2. For the round before, q - 1,
 *    nothing is skipped (two lanes could leave a page to each other): only once
 *    the other map is being filled for q + 1 is it looked at. For the round
 *    after the final one nothing is filled.
 *    A page that a lost lane had claimed in q is marked like one that is written
 *    then, once the lane has ended and the target writes nothing more that came
 *    by it: so the lane's copy is followed by another one, and comes nowhere after
 *    it. What the lane had not claimed others find in q; or, if they have left q,
 *    or there are none, whoever is in q + 1 or q + 2, whose map it is: left there
 *    since before, it is taken with what was written later, and read then.
 * 3. The target applies rounds in order (fences). So the copy that lands last
 *    lacks no write that was collected: once no bit is left, none at all.
 * 4. Where rearming a page makes its source forget that it was written: in q it
 *    must come before anybody sends the page in q + 1, or what is written after
 *    that copy would be forgotten, and only be in the one of q, which is older to
 *    the target. Nobody enters q + 1 before all bits of q are taken, nor
 *    (rj_rounds_enter()) before all that were are rearmed.
 */
#include "engine/send/rounds.h"

#include "engine/link/event.h"
#include "util/bits.h"

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
		(int64_t)pages - rj_rounds_empty(rounds, parity);

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

/* What the next round has already is left to it. */
static void skip_next(struct rj_rounds *rounds, uint32_t round, uint64_t chunk,
		      struct rj_claim *ret)
{
	const struct rj_bitmap *map =
		&rounds->maps[(round + 1) & 1][ret->block];
	unsigned skipped = 0;

	/* Else the map may still be that of the round before. Acquire: pairs
	 * with the release in rj_rounds_sink(): no bit of that one is seen. */
	if (atomic_load_explicit(&rounds->filling, memory_order_acquire) !=
	    round + 1)
		return;
	if (rj_bitmap_next_chunk(map, chunk, chunk + 1) != chunk)
		return;
	for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++) {
		const uint64_t both =
			ret->words[i] &
			rj_bitmap_word(map, chunk * RJ_CHUNK_WORDS + i);

		skipped += rj_popcount(both);
		ret->words[i] &= ~both;
	}
	if (!skipped)
		return;
	ret->pages -= skipped;
	/* relaxed: a figure */
	atomic_fetch_add_explicit(&rounds->skipped_pages, skipped,
				  memory_order_relaxed);
}

/* Of the chunk, or a part of it; true: there may be more. */
static bool take_some(struct rj_rounds *rounds, uint32_t round, unsigned block,
		      uint64_t chunk, struct rj_claim *ret)
{
	const unsigned parity = round & 1;
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
		return false;
	account_claim(rounds, parity, ret->pages);
	if (rounds->skips)
		skip_next(rounds, round, chunk, ret);
	else if (!part)
		take_next(rounds, !parity, chunk, ret);
	return part;
}

/* How many pages; 0: the chunk has none any more. */
static unsigned take_chunk(struct rj_rounds *rounds, uint32_t round,
			   unsigned block, uint64_t chunk, struct rj_claim *ret)
{
	/* All of a part may have been skipped. */
	while (take_some(rounds, round, block, chunk, ret) && !ret->pages)
		;
	return ret->pages;
}

/*
 * A home's cursor is a hint shared by all who work in it: everything before
 * it was clear when it was written, and no bit of this round is set while the
 * round is open. Storing an older position merely scans again.
 */
static bool claim_in_home(struct rj_rounds *rounds, uint32_t round,
			  unsigned worker, struct rj_claim *ret)
{
	const unsigned parity = round & 1;
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
		if (take_chunk(rounds, round, stretch->block,
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

static int claim(struct rj_rounds *rounds, unsigned worker, uint32_t round,
		 struct rj_claim *ret, struct ramjet_error *err)
{
	const uint16_t *order = rounds->placement->order +
				worker * rounds->placement->home_count;

	if (!round && rounds->first)
		return claim_found(rounds, worker, ret, err);
	for (unsigned i = 0; i < rounds->placement->home_count; i++)
		if (claim_in_home(rounds, round, order[i], ret))
			return 1;
	return 0;
}

int rj_rounds_claim(struct rj_rounds *rounds, unsigned worker, uint32_t round,
		    struct rj_claim *ret, struct ramjet_error *err)
{
	int rc;

	if (atomic_load_explicit(&rounds->stopped, memory_order_relaxed))
		return 0;
	/* Before a bit is taken: who finds it gone finds this. */
	if (rounds->taking)
		atomic_store(&rounds->taking[worker].round, round + 1);
	rc = claim(rounds, worker, round, ret, err);
	if (rc <= 0)
		rj_rounds_armed(rounds, worker);
	return rc;
}
