/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/predict.h"

#include <errno.h>
#include <math.h>

#include "engine/source/lanes.h"
#include "util/clock.h"
#include "util/error.h"

void rj_predict_begin(struct rj_forecast *forecast, struct ramjet_guest *guest)
{
	rj_lock(&guest->lock);
	forecast->estimate.costs = guest->costs;
	rj_unlock(&guest->lock);
}

struct rj_pause_inputs rj_predict_inputs(const struct rj_forecast *forecast,
					 struct rj_source_lanes *lanes,
					 struct rj_source_pages *pages,
					 const struct rj_env *env)
{
	const struct ramjet_params params = rj_env_params(env);
	const struct rj_wire_now wire = rj_lanes_look(lanes);
	const double cap = (double)params.bandwidth_bytes_per_s;
	struct rj_pause_inputs inputs = {
		.unsent_pages = (double)(rj_rounds_remaining(&pages->rounds) +
					 wire.in_hand_pages),
		.queued_bytes = rj_arrival_waiting_bytes(&forecast->arrival,
							 (double)wire.queued),
		.capacity = (double)params.switchover_bandwidth_bytes_per_s,
		.overdue_us =
			forecast->one_way
				? 0
				: rj_forecast_overdue_us(forecast, rj_now_us()),
		.held_pages = (double)pages->rounds.heat.held_pages,
	};

	/* A cap that was lowered just now holds before it is measured. */
	if (cap > 0 && !params.uncapped_switchover && inputs.capacity <= 0 &&
	    (forecast->estimate.capacity.mean > cap ||
	     !forecast->estimate.capacity.samples))
		inputs.capacity = cap;
	return inputs;
}

static bool fits(const struct rj_forecast *forecast, const struct rj_env *env)
{
	return rj_forecast_fits(forecast, atomic_load(env->downtime_limit_us));
}

/* What bounds what is sent, and how much that is, in MiB/s. */
static const char *bound_of(const struct rj_estimate *estimate, double *ret_mib)
{
	if (rj_estimate_is_cpu_bound(estimate)) {
		*ret_mib = estimate->page_rate.mean * RAMJET_PAGE_BYTES /
			   1048576.0;
		return "the CPUs code";
	}
	*ret_mib = estimate->capacity.mean / 1048576.0;
	return "the wire takes";
}

static void say_what_would_do(const struct rj_forecast *forecast,
			      const struct ramjet_guest *guest,
			      const struct rj_env *env)
{
	const bool can_throttle =
		!rj_env_params(env).throttle && guest->ops.throttle;
	double mib;
	const char *bound = bound_of(&forecast->estimate, &mib);

	rj_log(env->log, RJ_LOG_WARNING,
	       "a pause within %.1f ms is out of reach: the guest writes %.1f "
	       "MiB/s, %s %.1f MiB/s; a limit of %.1f ms would do%s",
	       (double)atomic_load(env->downtime_limit_us) / 1000.0,
	       (double)env->stats->dirty_pages_per_s * RAMJET_PAGE_BYTES /
		       1048576.0,
	       bound, mib, (double)forecast->outlook.needed_us / 1000.0,
	       can_throttle ? ", throttling the guest may" : "");
}

void rj_predict_look_out(struct rj_forecast *forecast,
			 const struct ramjet_guest *guest,
			 const struct rj_env *env)
{
	bool say;

	if (!forecast->pause.known)
		return;
	say = rj_outlook_look(&forecast->outlook, forecast->pause.p90_us,
			      fits(forecast, env), rj_now_us());
	rj_lock(env->lock);
	env->stats->limit_needed_us = forecast->outlook.needed_us;
	rj_unlock(env->lock);
	if (say)
		say_what_would_do(forecast, guest, env);
}

/* What was sent must have arrived, or be on its way for no longer than the
 * pause may take: a target that is further behind would need that time. */
static bool is_caught_up(const struct rj_forecast *forecast,
			 const struct rj_env *env)
{
	return forecast->one_way ||
	       rj_arrival_behind_us(&forecast->arrival, rj_now_us()) <=
		       atomic_load(env->downtime_limit_us);
}

/* Bytes/s that the wire would take, as far as that is known. */
static double capacity_now(const struct rj_forecast *forecast,
			   const struct rj_env *env)
{
	const double cap = (double)rj_env_params(env).bandwidth_bytes_per_s;
	const double measured = forecast->estimate.capacity.mean;

	return cap > 0 && cap < measured ? cap : measured;
}

enum rj_advice rj_predict_advise(struct rj_forecast *forecast,
				 const struct rj_predict_round *round,
				 const struct ramjet_guest *guest,
				 const struct rj_env *env)
{
	const struct ramjet_params params = rj_env_params(env);
	const double sent = (double)round->sent->payload_bytes;
	const struct rj_round_outcome outcome = {
		.sent_bytes = sent,
		.room_bytes = fmax(sent, capacity_now(forecast, env) *
						 (double)round->over_us / 1e6),
		.dirtied_bytes = (double)round->dirtied_pages *
				 rj_estimate_page_bytes(&forecast->estimate),
		.p50_us = forecast->pause.p50_us,
		.next_us = forecast->next_us,
		.known = forecast->pause.known,
		.fits = fits(forecast, env),
		.caught_up = is_caught_up(forecast, env),
		.wanted = atomic_load(env->switch_now),
		.can_throttle = params.throttle && guest->ops.throttle,
	};

	return rj_convergence_advise(&forecast->convergence, &outcome, &params);
}

int rj_predict_give_up(const struct rj_forecast *forecast,
		       const struct rj_env *env, struct ramjet_error *err)
{
	double mib;
	const char *bound = bound_of(&forecast->estimate, &mib);

	return rj_fail(err, -ETIME,
		       "does not converge: the guest writes %.1f MiB/s, %s "
		       "%.1f MiB/s; a pause of %.0f ms would do now, the limit "
		       "is %.0f ms",
		       (double)env->stats->dirty_pages_per_s *
			       RAMJET_PAGE_BYTES / 1048576.0,
		       bound, mib, (double)forecast->pause.p90_us / 1000.0,
		       (double)atomic_load(env->downtime_limit_us) / 1000.0);
}
