/* SPDX-License-Identifier: BSD-3-Clause */
/* What the forecast is asked with, and what is made of its answer. */
#include <errno.h>
#include <math.h>

#include "engine/source/outgoing.h"
#include "util/clock.h"
#include "util/error.h"

/* What this guest's own calls have taken in earlier tries. */
void rj_source_begin_estimate(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;

	/* Not anew after a switchover that was called off. */
	if (out->pages.round)
		return;
	rj_lock(&m->guest->lock);
	out->forecast.estimate.costs = m->guest->costs;
	rj_unlock(&m->guest->lock);
}

struct rj_pause_inputs rj_source_pause_inputs(struct ramjet_migration *m)
{
	const struct ramjet_params params = rj_migration_params(m);
	struct rj_outgoing *out = m->out;
	const struct rj_wire_now wire = rj_lanes_look(&m->out->lanes);
	const double cap = (double)params.bandwidth_bytes_per_s;
	struct rj_pause_inputs inputs = {
		.unsent_pages =
			(double)(rj_rounds_remaining(&out->pages.rounds) +
				 wire.in_hand_pages),
		.queued_bytes = rj_arrival_waiting_bytes(&out->forecast.arrival,
							 (double)wire.queued),
		.capacity = (double)params.switchover_bandwidth_bytes_per_s,
		.overdue_us = out->session.one_way
				      ? 0
				      : rj_forecast_overdue_us(&out->forecast,
							       rj_now_us()),
	};

	/* A cap that was lowered just now holds before it is measured. */
	if (cap > 0 && !params.uncapped_switchover && inputs.capacity <= 0 &&
	    (out->forecast.estimate.capacity.mean > cap ||
	     !out->forecast.estimate.capacity.samples))
		inputs.capacity = cap;
	return inputs;
}

void rj_source_predict(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;
	const uint64_t limit_us = atomic_load(&m->downtime_limit_us);
	struct rj_pause_inputs inputs;

	rj_source_take_rtt(m->out);
	out->forecast.estimate.state_hint_us =
		(double)rj_migration_params(m).state_hint_us;
	inputs = rj_source_pause_inputs(m);
	rj_forecast_predict(&out->forecast, &inputs, rj_source_knows_path(out),
			    limit_us);
}

static bool fits(const struct ramjet_migration *m)
{
	return rj_forecast_fits(&m->out->forecast,
				atomic_load(&m->downtime_limit_us));
}

static void say_what_would_do(struct ramjet_migration *m)
{
	const struct rj_outgoing *out = m->out;
	const bool can_throttle =
		!rj_migration_params(m).throttle && m->guest->ops.throttle;

	rj_log(&m->log, RJ_LOG_WARNING,
	       "a pause within %.1f ms is out of reach: the guest writes %.1f "
	       "MiB/s, the wire takes %.1f MiB/s; a limit of %.1f ms would "
	       "do%s",
	       (double)atomic_load(&m->downtime_limit_us) / 1000.0,
	       (double)m->stats.dirty_pages_per_s * RAMJET_PAGE_BYTES /
		       1048576.0,
	       out->forecast.estimate.capacity.mean / 1048576.0,
	       (double)out->forecast.outlook.needed_us / 1000.0,
	       can_throttle ? ", throttling the guest may" : "");
}

void rj_source_look_out(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;
	bool say;

	if (!out->forecast.pause.known)
		return;
	say = rj_outlook_look(&out->forecast.outlook,
			      out->forecast.pause.p90_us, fits(m), rj_now_us());
	rj_lock(&m->lock);
	m->stats.limit_needed_us = out->forecast.outlook.needed_us;
	rj_unlock(&m->lock);
	if (say)
		say_what_would_do(m);
}

/* What was sent must have arrived, or be on its way for no longer than the
 * pause may take: a target that is further behind would need that time. */
static bool is_caught_up(struct ramjet_migration *m)
{
	const struct rj_outgoing *out = m->out;

	return out->session.one_way ||
	       rj_arrival_behind_us(&out->forecast.arrival, rj_now_us()) <=
		       atomic_load(&m->downtime_limit_us);
}

/* Bytes/s that the wire would take, as far as that is known. */
static double capacity_now(struct ramjet_migration *m)
{
	const double cap = (double)rj_migration_params(m).bandwidth_bytes_per_s;
	const double measured = m->out->forecast.estimate.capacity.mean;

	return cap > 0 && cap < measured ? cap : measured;
}

enum rj_advice rj_source_advise(struct ramjet_migration *m,
				const struct rj_sent *round, uint64_t dirtied)
{
	const struct ramjet_params params = rj_migration_params(m);
	struct rj_outgoing *out = m->out;
	const double share = out->forecast.estimate.raw_share > 0
				     ? out->forecast.estimate.raw_share
				     : 1;
	const double sent = (double)round->payload_bytes;
	const struct rj_round_outcome outcome = {
		.sent_bytes = sent,
		.room_bytes =
			fmax(sent, capacity_now(m) *
					   (double)out->pages.sync_interval_us /
					   1e6),
		.dirtied_bytes = (double)dirtied * share * RAMJET_PAGE_BYTES,
		.p50_us = out->forecast.pause.p50_us,
		.next_us = out->forecast.next_us,
		.known = out->forecast.pause.known,
		.fits = fits(m),
		.caught_up = is_caught_up(m),
		.wanted = atomic_load(&m->switch_now),
		.can_throttle = params.throttle && m->guest->ops.throttle,
	};

	return rj_convergence_advise(&out->forecast.convergence, &outcome,
				     &params);
}

int rj_source_give_up(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct rj_outgoing *out = m->out;

	return rj_fail(
		err, -ETIME,
		"does not converge: the guest writes %.1f MiB/s, the wire "
		"takes %.1f MiB/s; a pause of %.0f ms would do now, the limit "
		"is %.0f ms",
		(double)m->stats.dirty_pages_per_s * RAMJET_PAGE_BYTES /
			1048576.0,
		out->forecast.estimate.capacity.mean / 1048576.0,
		(double)out->forecast.pause.p90_us / 1000.0,
		(double)atomic_load(&m->downtime_limit_us) / 1000.0);
}
