/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the control thread looks at all along while rounds go on: what the wire
 * has taken, what has arrived, and whether the target is still there.
 */
#include <errno.h>

#include "engine/source/channels.h"
#include "engine/source/lanes.h"
#include "engine/source/outgoing.h"
#include "engine/source/path.h"
#include "util/clock.h"
#include "util/error.h"

static void publish(struct ramjet_migration *m, const struct rj_wire_now *wire)
{
	struct rj_outgoing *out = m->out;
	const struct rj_smooth *capacity = &out->forecast.estimate.capacity;

	rj_lock(&m->lock);
	m->stats.remaining_pages =
		rj_rounds_remaining(&out->pages.rounds) + wire->in_hand_pages;
	rj_statistics_rate(&m->stats,
			   rj_lanes_sent(&m->out->lanes).payload_bytes,
			   rj_now_us());
	m->stats.control_bytes = out->session.link.bytes;
	m->stats.control_cpu_us = rj_thread_cpu_us();
	m->stats.capacity_bytes_per_s = (uint64_t)capacity->mean;
	m->stats.capacity_spread_bytes_per_s =
		(uint64_t)rj_smooth_spread(capacity);
	if (capacity->samples)
		m->stats.known |= RAMJET_KNOWN_CAPACITY;
	rj_unlock(&m->lock);
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

static int check_stall(struct ramjet_migration *m, struct ramjet_error *err)
{
	const uint64_t limit_us =
		rj_migration_params(m).stall_timeout_ms * UINT64_C(1000);
	const uint64_t still_us =
		rj_meter_still_us(&m->out->forecast.meter, rj_now_us());

	if (!limit_us || still_us < limit_us ||
	    rj_rounds_all_left(&m->out->pages.rounds))
		return 0;
	return rj_fail(err, -ETIMEDOUT,
		       "stalled: the target has taken no byte for %llu ms",
		       (unsigned long long)still_us / 1000);
}

/* Is the target alive? Any byte that its kernel takes counts, and any
 * message. */
static int check_pulse(struct ramjet_migration *m,
		       const struct rj_wire_now *wire, struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	const uint64_t activity =
		wire->acked + atomic_load_explicit(&out->session.link.heard,
						   memory_order_relaxed);

	if (out->session.one_way ||
	    rj_heartbeat_look(&out->session.heartbeat, activity,
			      &out->session.link.ping,
			      rj_now_ns()) != RJ_PULSE_DEAD)
		return 0;
	return rj_fail(
		err, -ETIMEDOUT,
		"control link: the target has said nothing for %llu s, "
		"and does not answer: it is stopped, or gone while "
		"another process holds its connections",
		(unsigned long long)(rj_heartbeat_limits.dead_ns / 1000000000));
}

int rj_source_tick(struct ramjet_migration *m, bool busy,
		   struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	const struct rj_wire_now wire = rj_lanes_look(&m->out->lanes);
	int rc;

	rj_forecast_look(&out->forecast, &wire, busy, rj_now_us());
	follow_rounds(out);
	rj_source_channels_tick(m, &wire, busy);
	publish(m, &wire);
	rc = rj_path_ping(&out->session, &out->forecast, err);
	if (!rc)
		rc = check_pulse(m, &wire, err);
	return rc ? rc : check_stall(m, err);
}
