/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/watch.h"

#include <errno.h>

#include "engine/source/channels.h"
#include "engine/source/collect.h"
#include "engine/source/give_way.h"
#include "engine/source/lanes.h"
#include "engine/source/memory.h"
#include "engine/source/offer.h"
#include "engine/source/path.h"
#include "util/clock.h"
#include "util/error.h"

static void publish(struct rj_outgoing *out)
{
	const struct rj_env *env = &out->env;
	const struct rj_smooth *capacity = &out->forecast.estimate.capacity;

	rj_offer_record(&out->lanes, env);
	rj_lock(env->lock);
	env->stats->remaining_pages = rj_memory_remaining(&out->pages) +
				      out->forecast.wire.in_hand_pages;
	env->stats->unpopulated_pages =
		rj_first_look_empty(&out->pages.first_look);
	rj_statistics_rate(env->stats, rj_lanes_sent(&out->lanes).payload_bytes,
			   rj_now_us());
	env->stats->control_bytes = out->session.link.bytes;
	env->stats->control_cpu_us = rj_collect_cpu_us(&out->pages);
	env->stats->capacity_bytes_per_s = (uint64_t)capacity->mean;
	env->stats->capacity_spread_bytes_per_s =
		(uint64_t)rj_smooth_spread(capacity);
	if (capacity->samples)
		env->stats->known |= RAMJET_KNOWN_CAPACITY;
	rj_unlock(env->lock);
}

/* Tell the forecast which rounds have left, and which the target has
 * applied. */
static void follow_rounds(struct rj_outgoing *out)
{
	struct rj_source_pages *pages = &out->pages;
	const uint32_t left =
		rj_rounds_all_left(&pages->rounds)   ? pages->round + 1
		: rj_rounds_can_fill(&pages->rounds) ? pages->round
						     : 0;

	rj_forecast_follow(&out->forecast, left, pages->applied, rj_now_us());
}

static int check_stall(struct rj_outgoing *out, struct ramjet_error *err)
{
	const uint64_t limit_us =
		rj_env_params(&out->env).stall_timeout_ms * UINT64_C(1000);
	const uint64_t still_us =
		rj_meter_still_us(&out->forecast.meter, rj_now_us());

	if (!limit_us || still_us < limit_us ||
	    rj_rounds_all_left(&out->pages.rounds))
		return 0;
	return rj_fail(err, -ETIMEDOUT,
		       "stalled: the target has taken no byte for %llu ms",
		       (unsigned long long)still_us / 1000);
}

/* Is the target alive? Any byte that its kernel takes counts, and any
 * message. */
static int check_pulse(struct rj_outgoing *out, struct ramjet_error *err)
{
	const uint64_t activity = out->forecast.wire.acked +
				  atomic_load_explicit(&out->session.link.heard,
						       memory_order_relaxed);

	if (rj_link_is_lost(&out->session.link)) {
		out->session.heartbeat.heard_ns = 0;
		return 0;
	}
	if (out->session.one_way ||
	    rj_heartbeat_look(&out->session.heartbeat, activity,
			      &out->session.link.ping,
			      rj_now_ns()) != RJ_PULSE_DEAD)
		return 0;
	(void)rj_fail(
		err, -ETIMEDOUT,
		"control link: the target has said nothing for %llu s, "
		"and does not answer: it is stopped, or gone while "
		"another process holds its connections",
		(unsigned long long)(rj_heartbeat_limits.dead_ns / 1000000000));
	return rj_link_give_up(&out->session.link, err);
}

int rj_source_tick(struct rj_outgoing *out, bool busy, struct ramjet_error *err)
{
	struct rj_wire_now wire = rj_lanes_look(&out->lanes);
	int rc;

	/* Empty memory is passed by without a byte: that is no stall. */
	wire.passed = rj_first_look_empty(&out->pages.first_look);
	rj_forecast_look(&out->forecast, &wire, busy, rj_now_us());
	follow_rounds(out);
	rj_source_channels_tick(&out->lanes, &out->pages.rounds, &out->forecast,
				busy, &out->env);
	rj_give_way_tick(&out->lanes, &out->env);
	publish(out);
	rc = rj_path_ping(&out->session, &out->forecast, err);
	if (!rc)
		rc = check_pulse(out, err);
	return rc ? rc : check_stall(out, err);
}
