/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_PREDICT_H
#define RJ_ENGINE_SOURCE_PREDICT_H
/* What the forecast is asked with, and what is made of its answer. The control
 * thread's. */
#include "engine/guest/guest.h"
#include "engine/source/outgoing.h"

/* A round, and what was written while it was sent. */
struct rj_predict_round {
	const struct rj_sent *sent;
	uint64_t dirtied_pages;
	uint64_t over_us; /* in so long */
};

/* What this guest's own calls have taken in earlier tries. */
void rj_predict_begin(struct rj_forecast *forecast, struct ramjet_guest *guest);
/* What a prediction made now would count with. */
struct rj_pause_inputs rj_predict_inputs(const struct rj_forecast *forecast,
					 struct rj_source_lanes *lanes,
					 struct rj_source_pages *pages,
					 const struct rj_env *env);
/* Warn when the limit is out of reach, and say which limit would do. */
void rj_predict_look_out(struct rj_forecast *forecast,
			 const struct ramjet_guest *guest,
			 const struct rj_env *env);
enum rj_advice rj_predict_advise(struct rj_forecast *forecast,
				 const struct rj_predict_round *round,
				 const struct ramjet_guest *guest,
				 const struct rj_env *env);
/* An error that says why. */
RJ_NODISCARD int rj_predict_give_up(const struct rj_forecast *forecast,
				    const struct rj_env *env,
				    struct ramjet_error *err);
#endif
