/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/precopy.h"

#include <errno.h>

#include "engine/migration/course.h"
#include "engine/source/collect.h"
#include "engine/source/helpers.h"
#include "engine/source/hot_pages.h"
#include "engine/source/lanes.h"
#include "engine/source/memory.h"
#include "engine/source/path.h"
#include "engine/source/predict.h"
#include "engine/source/pump.h"
#include "engine/source/watch.h"
#include "util/clock.h"

/* Rounds are not collected more often than this, whatever they hold. Chosen: a
 * collect costs the guest faults, and less dirt is left for the pause. */
#define ROUND_MIN_US 5000u
/* Nor more often than so many times on the way there and back: until then
 * nobody knows what has become of the ones before (decision 020). */
#define ROUNDS_A_TRIP 4u
#define ROUND_MAX_US  50000u
/* While held, an unhurried rhythm. Chosen, as are the ticks: how soon something
 * is noticed that wakes nobody, such as what the kernel has acknowledged. */
#define HELD_ROUND_US 50000u
#define TICK_MS       20
/* Of a page on the wire. Zero pages take less, but time: then as raw. Chosen. */
#define LEAST_PAGE_BYTES 41.0
#define IDLE_TICK_MS     5 /* with nothing to send */
/* How long the open round takes at least. */
static uint64_t round_min_us(const struct rj_outgoing *out)
{
	const uint64_t trip_us = rj_link_rtt_us(&out->session.link);
	const uint64_t us = trip_us / ROUNDS_A_TRIP;

	if (!rj_path_is_known(&out->session, &out->forecast))
		return ROUND_MAX_US;
	/* Nothing was written: one more look is worth nothing before what is
	 * on its way has arrived. */
	if (out->pages.idle && !out->session.one_way &&
	    out->pages.applied <= out->pages.round)
		return ROUND_MIN_US + 2 * trip_us;
	return us < ROUND_MIN_US   ? ROUND_MIN_US
	       : us > ROUND_MAX_US ? ROUND_MAX_US
				   : us;
}

static uint64_t elapsed_us(const struct rj_outgoing *out)
{
	return rj_now_us() - out->pages.round_began_us;
}

static void open_round(struct rj_outgoing *out)
{
	const uint64_t pages = rj_rounds_next_pages(&out->pages.rounds);
	const uint64_t launched = rj_lanes_launched_bytes(&out->lanes);

	out->pages.found = (struct rj_found){ 0 };
	out->pages.round_began_us = rj_now_us();
	out->pages.round = rj_rounds_open(&out->pages.rounds, false);
	rj_arrival_opened(&out->forecast.arrival, out->pages.round, pages,
			  launched, out->pages.round_began_us);
}

/*
 * How many pages are sent while one collect runs: collecting earlier would
 * find less dirt per round, later would leave workers idle.
 */
static uint64_t low_pages(const struct rj_outgoing *out)
{
	const struct rj_estimate *e = &out->forecast.estimate;
	const double ahead_us = e->sync_us.mean + 1000;
	const double bytes = rj_estimate_page_bytes(e);

	return (uint64_t)(e->capacity.mean * ahead_us / 1e6 /
			  (bytes > LEAST_PAGE_BYTES ? bytes
						    : RAMJET_PAGE_BYTES));
}

static int collect(struct rj_outgoing *out, struct ramjet_error *err)
{
	const struct rj_pause_inputs inputs = rj_predict_inputs(
		&out->forecast, &out->lanes, &out->pages, &out->env);
	uint64_t dirtied;

	rj_hot_pages_make_room(&out->pages, &out->forecast, &inputs, &out->env);
	return rj_collect(&out->pages, &out->forecast.estimate, false,
			  &out->env, &dirtied, err);
}

/* Until the open round is nearly through, and the next may be filled. */
static int wait_low(struct rj_outgoing *out, struct ramjet_error *err)
{
	bool idle = false;
	int rc = 0;

	rj_rounds_set_low(&out->pages.rounds, low_pages(out));
	while (!rc) {
		const uint64_t us = elapsed_us(out);
		const uint64_t least_us = round_min_us(out);

		if (rj_rounds_all_found(&out->pages.rounds) &&
		    rj_rounds_can_fill(&out->pages.rounds) && us >= least_us &&
		    (idle || rj_rounds_open_pages(&out->pages.rounds) <=
				     low_pages(out)))
			return 0;
		rc = rj_source_pump(out, idle ? IDLE_TICK_MS : TICK_MS, err);
		if (!rc)
			rc = rj_source_tick(out, !idle, err);
		if (!rc)
			rc = rj_source_check_helpers(out->helpers, err);
		if (!rc && rj_hot_pages_want_look(&out->pages, rj_now_us()))
			rc = collect(out, err);
		idle = rj_rounds_all_left(&out->pages.rounds);
	}
	return rc;
}

/* Since the round before was accounted: what goes out while the next is filled
 * counts to the next, so that the rounds add up to the whole. */
static struct rj_sent sent_in_round(struct rj_outgoing *out)
{
	const struct rj_sent before = out->pages.sent;
	const struct rj_sent now = rj_lanes_sent(&out->lanes);

	out->pages.sent = now;
	return (struct rj_sent){
		.wire_bytes = now.wire_bytes - before.wire_bytes,
		.payload_bytes = now.payload_bytes - before.payload_bytes,
		.raw_pages = now.raw_pages - before.raw_pages,
		.zero_pages = now.zero_pages - before.zero_pages,
	};
}

static void predict(struct rj_outgoing *out)
{
	struct rj_pause_inputs inputs;

	rj_path_take_rtt(&out->session, &out->lanes, &out->forecast);
	out->forecast.estimate.state_hint_us =
		(double)rj_env_params(&out->env).state_hint_us;
	inputs = rj_predict_inputs(&out->forecast, &out->lanes, &out->pages,
				   &out->env);
	rj_forecast_predict(&out->forecast, &inputs,
			    rj_path_is_known(&out->session, &out->forecast),
			    atomic_load(out->env.downtime_limit_us));
}

/* What is held back is in no round: neither sent nor dirtied. */
static enum rj_advice advise(struct rj_outgoing *out,
			     const struct rj_sent *sent)
{
	const struct rj_predict_round round = {
		.sent = sent,
		.dirtied_pages = out->pages.found.due,
		.over_us = out->pages.found.over_us,
	};

	return rj_predict_advise(&out->forecast, &round, out->vmm.guest,
				 &out->env);
}

static void record_round(struct rj_outgoing *out, const struct rj_sent *round)
{
	struct rj_statistics *stats = out->env.stats;
	const uint64_t us = elapsed_us(out);
	const uint64_t dirtied = out->pages.found.written;
	const uint64_t over_us = out->pages.found.over_us;
	const struct ramjet_round_info info = {
		.pages = round->raw_pages + round->zero_pages,
		.bytes = round->payload_bytes,
		.dirtied_pages = dirtied,
		.us = us,
	};

	rj_throttle_account(&out->handover.throttle, &out->env);
	rj_lock(out->env.lock);
	rj_statistics_add_round(stats, &info);
	if (over_us) {
		stats->dirty_pages_per_s = dirtied * 1000000u / over_us;
		stats->known |= RAMJET_KNOWN_DIRTY_RATE;
	}
	if (out->forecast.pause.known)
		stats->known |=
			RAMJET_KNOWN_PREDICTION | RAMJET_KNOWN_CONVERGENCE;
	stats->predicted_p50_us = out->forecast.pause.p50_us;
	stats->predicted_p90_us = out->forecast.pause.p90_us;
	stats->convergence_us = out->forecast.convergence_us;
	stats->path_rtt_us = (uint64_t)out->forecast.estimate.rtt_us;
	if (stats->path_rtt_us)
		stats->known |= RAMJET_KNOWN_PATH_RTT;
	stats->throttle_percent = out->forecast.convergence.throttle_percent;
	rj_unlock(out->env.lock);
	rj_course_tell_news(&out->env);
}

/* Ready, but told to wait: hold the state, keep the rounds going slowly. */
static int hold(struct rj_outgoing *out, struct ramjet_error *err)
{
	const uint64_t until_us = rj_now_us() + HELD_ROUND_US;
	int rc = 0;

	if (rj_course_state(&out->env) == RAMJET_STATE_ACTIVE &&
	    !rj_course_enter(&out->env, RAMJET_STATE_HELD))
		return -ECANCELED;
	while (!rc && rj_now_us() < until_us &&
	       !atomic_load(out->env.switch_now))
		rc = rj_source_pump(out, (int)(HELD_ROUND_US / 1000), err);
	return rc;
}

static int unhold(struct rj_outgoing *out)
{
	if (rj_course_state(&out->env) == RAMJET_STATE_HELD &&
	    !rj_course_enter(&out->env, RAMJET_STATE_ACTIVE))
		return -ECANCELED;
	return 0;
}

/* 1: switch over now; 0: another round. */
static int follow(struct rj_outgoing *out, enum rj_advice advice,
		  struct ramjet_error *err)
{
	int rc;

	/* The guest goes nowhere while nobody can be told. */
	if (rj_link_is_lost(&out->session.link) &&
	    (advice == RJ_ADVICE_GO_ANYWAY || advice == RJ_ADVICE_SWITCH))
		return 0;
	out->handover.forced = advice == RJ_ADVICE_GO_ANYWAY;
	out->handover.expected_us =
		out->handover.forced ? out->forecast.pause.p90_us : 0;
	switch (advice) {
	case RJ_ADVICE_GO_ANYWAY:
		if (atomic_load(out->env.switch_now))
			return 1;
		break;
	case RJ_ADVICE_SWITCH:
		if (atomic_load(out->env.switch_now))
			return 1;
		return hold(out, err);
	case RJ_ADVICE_THROTTLE:
		rc = rj_throttle_set(&out->handover.throttle,
				     out->forecast.convergence.throttle_percent,
				     &out->vmm, &out->env, err);
		return rc ? rc : unhold(out);
	case RJ_ADVICE_GIVE_UP:
		return rj_predict_give_up(&out->forecast, &out->env, err);
	case RJ_ADVICE_GO_ON:
		break;
	}
	return unhold(out);
}

int rj_source_precopy(struct rj_outgoing *out, struct ramjet_error *err)
{
	struct rj_sent round;
	int rc;

	/* Not anew after a switchover that was called off. */
	if (!out->pages.round)
		rj_predict_begin(&out->forecast, out->vmm.guest);
	/* Ask once more before pages are sent that an answer would wait behind:
	 * the first answer may have been late. */
	rc = rj_source_pump(out, 0, err);
	if (!rc)
		rc = rj_path_ping(&out->session, &out->forecast, err);
	if (rc)
		return rc;
	for (;;) {
		open_round(out);
		rc = wait_low(out, err);
		if (rc)
			return rc;
		if (!out->pages.round)
			rj_memory_found_first(out);
		round = sent_in_round(out);
		rj_estimate_bytes(&out->forecast.estimate, round.raw_pages,
				  round.payload_bytes, !out->pages.round);
		/* The first round says what memory holds, not what is written. */
		if (out->pages.round)
			rj_estimate_pages(&out->forecast.estimate,
					  round.raw_pages, round.zero_pages);
		rc = collect(out, err);
		out->pages.idle = !out->pages.found.written &&
				  !rj_rounds_remaining(&out->pages.rounds);
		if (!rc)
			rc = rj_source_tick(
				out, !rj_rounds_all_left(&out->pages.rounds),
				err);
		if (rc)
			return rc;
		predict(out);
		record_round(out, &round);
		rj_hot_pages_count(&out->pages, &round, &out->forecast.estimate,
				   &out->env);
		rj_predict_look_out(&out->forecast, out->vmm.guest, &out->env);
		rc = follow(out, advise(out, &round), err);
		if (rc)
			return rc < 0 ? rc : 0;
	}
}
