/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/hot_pages.h"

#include <math.h>

/* Of the pause that is allowed, what is held back may take this share, nine times
 * of ten. Chosen: what else is dirty then needs some of it, too, and a guest that
 * fitted in turn must fit with its hot pages last. */
#define ROOM_SHARE 0.7
/* Collects within a round are so far apart at least. Chosen: shorter rounds are
 * over before it pays. */
#define LOOK_US 100000u
/* And so many times what one costs, the guest's faults included: a twentieth of
 * its time at most. Chosen. */
#define LOOK_COSTS 20u

int rj_hot_pages_begin(struct rj_source_pages *pages, const struct rj_env *env,
		       struct ramjet_error *err)
{
	const bool blind = rj_dirty_set_needs_rearm(&pages->dirty);

	if (rj_env_params(env).hot_pages == RAMJET_HOT_PAGES_IN_TURN) {
		rj_env_path(env, "hot pages", "in turn", "asked for");
		return 0;
	}
	rj_env_path(env, "hot pages", "last",
		    blind ? "some with each round all the same: the dirty "
			    "source tells of a page only once it was sent"
			  : "they wait until they cool, or for the pause");
	return rj_rounds_hold_back(&pages->rounds, !blind, err);
}

void rj_hot_pages_make_room(struct rj_source_pages *pages,
			    const struct rj_forecast *forecast,
			    const struct rj_pause_inputs *inputs,
			    const struct rj_env *env)
{
	const double limit_us = (double)atomic_load(env->downtime_limit_us);

	pages->room_pages =
		forecast->pause.known
			? rj_estimate_room(&forecast->estimate, inputs,
					   ROOM_SHARE * limit_us)
			: 0;
}

bool rj_hot_pages_want_look(struct rj_source_pages *pages, uint64_t now_us)
{
	const uint64_t cost_us = LOOK_COSTS * pages->collect_cost_us;

	return pages->round && pages->rounds.skips &&
	       now_us - pages->synced_us >=
		       (cost_us > LOOK_US ? cost_us : LOOK_US) &&
	       rj_rounds_can_fill(&pages->rounds);
}

/* In turn, what is held back would have gone with this round, as far as the wire
 * had time for it. */
static uint64_t not_sent(const struct rj_source_pages *pages,
			 const struct rj_sent *sent,
			 const struct rj_estimate *estimate)
{
	const double could =
		estimate->capacity.mean * (double)pages->found.over_us / 1e6 -
		(double)sent->wire_bytes;

	return (uint64_t)fmin(fmax(could, 0) / rj_estimate_page_bytes(estimate),
			      (double)pages->rounds.heat.held_pages);
}

void rj_hot_pages_count(const struct rj_source_pages *pages,
			const struct rj_sent *sent,
			const struct rj_estimate *estimate,
			const struct rj_env *env)
{
	const uint64_t held = pages->rounds.heat.held_pages;
	const uint64_t spared = not_sent(pages, sent, estimate);

	rj_lock(env->lock);
	env->stats->hot_spared_pages += spared;
	env->stats->hot_skipped_pages = atomic_load_explicit(
		&pages->rounds.skipped_pages, memory_order_relaxed);
	if (held > env->stats->hot_most_pages)
		env->stats->hot_most_pages = held;
	rj_unlock(env->lock);
}
