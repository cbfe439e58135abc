/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/first_round.h"

#include <errno.h>
#include <stdlib.h>

#include "util/error.h"

/* Of 16 MiB. Chosen: asking takes some 0.6 ms on 4 KiB pages, and protecting
 * 2 MiB at a time costs no more than all at once (decision 030). */
#define WINDOW_CHUNKS 8u
/* Of 1 GiB. Chosen: 12 TiB of nothing are 12,000 of them; where empty page
 * tables are left, one takes a millisecond. */
#define EMPTY_CHUNKS 512u

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int alloc(struct rj_first_round *first, struct ramjet_error *err)
{
	const struct rj_placement *placement = first->placement;

	first->windows = aligned_alloc(64, first->worker_count *
						   sizeof(*first->windows));
	first->frontiers = aligned_alloc(64, placement->home_count *
						     sizeof(*first->frontiers));
	if (!first->windows || !first->frontiers) {
		free(first->windows);
		free(first->frontiers);
		*first = (struct rj_first_round){ 0 };
		return rj_fail(err, -ENOMEM, "first round: out of memory");
	}
	for (unsigned i = 0; i < first->worker_count; i++) {
		first->windows[i] = (struct rj_first_window){ 0 };
		rj_mutex_init(&first->windows[i].lock);
	}
	for (unsigned i = 0; i < placement->home_count; i++) {
		first->frontiers[i] = (struct rj_frontier){
			.next = placement->homes[i].first,
			.end = placement->homes[i].end,
		};
		rj_mutex_init(&first->frontiers[i].lock);
	}
	return 0;
}

int rj_first_round_init(struct rj_first_round *first,
			const struct rj_placement *placement,
			struct rj_bitmap *maps, unsigned block_count,
			const struct rj_first_round_ops *ops, void *user,
			struct ramjet_error *err)
{
	uint64_t pages = 0;
	int rc;

	*first = (struct rj_first_round){
		.placement = placement,
		.maps = maps,
		.ops = ops,
		.user = user,
		.worker_count = placement->worker_count,
	};
	rc = alloc(first, err);
	if (rc)
		return rc;
	rj_mutex_init(&first->lock);
	rj_cond_init(&first->changed);
	for (unsigned i = 0; i < block_count; i++)
		pages += maps[i].page_count;
	atomic_init(&first->unasked, pages);
	return 0;
}

void rj_first_round_done(struct rj_first_round *first)
{
	if (!first->windows)
		return;
	for (unsigned i = 0; i < first->worker_count; i++)
		rj_mutex_done(&first->windows[i].lock);
	for (unsigned i = 0; i < first->placement->home_count; i++)
		rj_mutex_done(&first->frontiers[i].lock);
	free(first->windows);
	free(first->frontiers);
	(void)pthread_cond_destroy(&first->changed);
	rj_mutex_done(&first->lock);
	*first = (struct rj_first_round){ 0 };
}

void rj_first_round_stop(struct rj_first_round *first)
{
	rj_lock(&first->lock);
	atomic_store(&first->stopped, true);
	(void)pthread_cond_broadcast(&first->changed);
	rj_unlock(&first->lock);
}

uint64_t rj_first_round_unasked(const struct rj_first_round *first)
{
	return atomic_load(&first->unasked);
}

uint64_t rj_first_round_empty(const struct rj_first_round *first)
{
	return atomic_load(&first->empty);
}

/* ---- asking ------------------------------------------------------------ */

/* Chunks that are being asked. */
struct span {
	unsigned block;
	uint64_t first, end; /* chunks */
};

static uint64_t first_page_of(const struct span *span)
{
	return span->first * RJ_CHUNK_PAGES;
}

static uint64_t pages_of(const struct rj_first_round *first,
			 const struct span *span)
{
	return lesser(span->end * RJ_CHUNK_PAGES,
		      first->maps[span->block].page_count) -
	       first_page_of(span);
}

/* What to ask next of the chunks in `span`: cut its end off. */
static void cut(const struct rj_first_round *first, struct span *span)
{
	const uint64_t small = lesser(span->end, span->first + WINDOW_CHUNKS);
	uint64_t pages, page;

	span->end = lesser(span->end, span->first + EMPTY_CHUNKS);
	pages = pages_of(first, span);
	page = first->ops->peek(first->user, span->block, first_page_of(span),
				pages);
	if (page < first_page_of(span) + pages)
		span->end = page / RJ_CHUNK_PAGES;
	if (span->end < small)
		span->end = small;
}

static void begin_asking(struct rj_first_round *first)
{
	rj_lock(&first->lock);
	first->asking++;
	rj_unlock(&first->lock);
}

/* The home's next window; false when all of it has been asked, or is being. */
static bool advance(struct rj_first_round *first, unsigned home,
		    struct span *ret)
{
	struct rj_frontier *frontier = &first->frontiers[home];
	const struct rj_placement *placement = first->placement;
	bool some;

	rj_lock(&frontier->lock);
	some = frontier->next < frontier->end;
	if (some) {
		const struct rj_stretch *s =
			&placement->stretches[rj_placement_at(placement,
							      frontier->next)];
		const uint64_t end =
			lesser(s->position + s->chunks, frontier->end);

		*ret = (struct span){
			.block = s->block,
			.first = s->first_chunk + frontier->next - s->position,
			.end = s->first_chunk + end - s->position,
		};
		cut(first, ret);
		/* Before the frontier moves: who finds it at its end knows that
		 * somebody asks. */
		begin_asking(first);
		frontier->next += ret->end - ret->first;
	}
	rj_unlock(&frontier->lock);
	return some;
}

static int ask(struct rj_first_round *first, const struct span *span,
	       struct ramjet_error *err)
{
	const struct rj_first_round_ops *ops = first->ops;
	const uint64_t page = first_page_of(span);
	const uint64_t pages = pages_of(first, span);
	struct rj_bitmap *map = &first->maps[span->block];
	uint64_t held;
	int rc = ops->arm ? ops->arm(first->user, span->block, page, pages, err)
			  : 0;

	if (!rc)
		rc = ops->look(first->user, span->block, page, pages, map, err);
	if (rc)
		return rc;
	held = rj_bitmap_count_in(map, span->first, span->end);
	atomic_fetch_add(&first->empty, pages - held);
	if (ops->found)
		ops->found(first->user, span->block, pages, held);
	return 0;
}

static void publish(struct rj_first_round *first, unsigned worker,
		    const struct span *span)
{
	struct rj_first_window *window = &first->windows[worker];

	rj_lock(&window->lock);
	window->block = span->block;
	window->next = span->first;
	window->end = span->end;
	rj_unlock(&window->lock);
	atomic_fetch_sub(&first->unasked, pages_of(first, span));
	rj_lock(&first->lock);
	first->asking--;
	first->asked++;
	(void)pthread_cond_broadcast(&first->changed);
	rj_unlock(&first->lock);
}

/* A new window for `worker`, who has none: 1; 0: every frontier is at its
 * end. After an error the window stays one that is being asked. */
static int take_window(struct rj_first_round *first, unsigned worker,
		       struct ramjet_error *err)
{
	const unsigned homes = first->placement->home_count;
	const uint16_t *order = first->placement->order + worker * homes;
	struct span span;

	for (unsigned i = 0; i < homes; i++) {
		int rc;

		if (!advance(first, order[i], &span))
			continue;
		rc = ask(first, &span, err);
		if (rc)
			return rc;
		publish(first, worker, &span);
		return 1;
	}
	return 0;
}

/* ---- handing out ------------------------------------------------------- */

static bool take_from(struct rj_first_round *first, unsigned worker,
		      struct rj_first_chunk *ret)
{
	struct rj_first_window *window = &first->windows[worker];
	bool some = false;

	rj_lock(&window->lock);
	if (window->next < window->end) {
		const uint64_t chunk = rj_bitmap_next_chunk(
			&first->maps[window->block], window->next, window->end);

		some = chunk < window->end;
		window->next = chunk + some;
		*ret = (struct rj_first_chunk){ window->block, chunk };
	}
	rj_unlock(&window->lock);
	return some;
}

static bool take_from_any(struct rj_first_round *first, unsigned worker,
			  struct rj_first_chunk *ret)
{
	for (unsigned i = 0; i < first->worker_count; i++)
		if (take_from(first, (worker + i) % first->worker_count, ret))
			return true;
	return false;
}

/* Is a window being asked that may still bring something? */
static bool is_being_asked(struct rj_first_round *first, uint64_t *ret_asked)
{
	bool some;

	rj_lock(&first->lock);
	some = first->asking > 0;
	*ret_asked = first->asked;
	rj_unlock(&first->lock);
	return some;
}

static void wait_for_more(struct rj_first_round *first, uint64_t asked)
{
	rj_lock(&first->lock);
	while (!atomic_load(&first->stopped) && first->asked == asked)
		rj_cond_wait(&first->changed, &first->lock);
	rj_unlock(&first->lock);
}

int rj_first_round_next(struct rj_first_round *first, unsigned worker,
			struct rj_first_chunk *ret, struct ramjet_error *err)
{
	while (!atomic_load(&first->stopped)) {
		uint64_t asked;
		bool more;
		int rc;

		if (take_from(first, worker, ret))
			return 1;
		rc = take_window(first, worker, err);
		if (rc < 0)
			return rc;
		if (rc)
			continue;
		/* In this order: nothing that was asked before is overlooked,
		 * and no new window begins any more. */
		more = is_being_asked(first, &asked);
		if (take_from_any(first, worker, ret))
			return 1;
		if (!more)
			return 0;
		wait_for_more(first, asked);
	}
	return 0;
}
