/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_HOT_PAGES_H
#define RJ_ENGINE_SOURCE_HOT_PAGES_H
/* Hot pages last, as far as the control thread decides it: whether, how many, and
 * when to look for them. How: engine/send/heat.h. */
#include "engine/source/outgoing.h"

/* As the parameters have it, once tracking has begun and before round 0. */
RJ_NODISCARD int rj_hot_pages_begin(struct rj_source_pages *pages,
				    const struct rj_env *env,
				    struct ramjet_error *err);
/* So many may be held back when the next collect is sorted. */
void rj_hot_pages_make_room(struct rj_source_pages *pages,
			    const struct rj_forecast *forecast,
			    const struct rj_pause_inputs *inputs,
			    const struct rj_env *env);
/* Is the open round so long that a collect within it pays? What was written
 * again by then is left to the next round. */
bool rj_hot_pages_want_look(struct rj_source_pages *pages, uint64_t now_us);
/* A round is over: `sent` went with it. */
void rj_hot_pages_count(const struct rj_source_pages *pages,
			const struct rj_sent *sent,
			const struct rj_estimate *estimate,
			const struct rj_env *env);
#endif
