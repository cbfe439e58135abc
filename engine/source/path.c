/* SPDX-License-Identifier: BSD-3-Clause */
/* The path to the target, end to end: how long the way there and back is. */
#include <math.h>

#include "engine/source/outgoing.h"

/* The path, end to end, is measured all along. Chosen: ten times a second costs
 * 400 bytes, and finds a path that has changed within some rounds. The first
 * questions come at once, since a switchover waits for them: of 20 sources that
 * were stopped after the first one, 2 took half a second for the path. */
#define PING_NS       (100 * UINT64_C(1000000))
#define FIRST_PING_NS (1 * UINT64_C(1000000))
#define FIRST_PINGS   5u
/* What an empty round takes beside the way there and back. Chosen: threads on
 * both sides wake up; too much makes the path look shorter. */
#define EMPTY_ROUND_US 1000.0

/* What is queued takes this long at most, or is so little that it does not
 * matter. Chosen: within what threads are late by anyway. */
#define UNLADEN_US    500.0
#define UNLADEN_BYTES 16384.0

static bool is_laden(const struct rj_outgoing *out)
{
	const double bytes = out->estimate.capacity.mean * UNLADEN_US / 1e6;

	return (double)out->wire.queued > fmax(bytes, UNLADEN_BYTES);
}

/* A few answers soon: the first may have been late. */
static uint64_t ping_ns(const struct rj_outgoing *out, bool laden)
{
	return !laden && out->link.ping.answers < FIRST_PINGS ? FIRST_PING_NS
							      : PING_NS;
}

static bool has_answered(const struct rj_outgoing *out)
{
	return out->one_way || out->link.ping.answers;
}

bool rj_source_knows_path(const struct rj_outgoing *out)
{
	return has_answered(out) || out->arrival.latency_us.samples;
}

void rj_source_take_rtt(struct ramjet_migration *m)
{
	struct rj_outgoing *out = m->out;
	const struct rj_ping *ping = &out->link.ping;
	double rtt_us = 0;

	for (unsigned i = 0; i < out->channel_count; i++) {
		const uint32_t us = atomic_load_explicit(&m->counters[i].rtt_us,
							 memory_order_relaxed);

		rtt_us = us > rtt_us ? us : rtt_us;
	}
	/* Under load it holds queueing, which is a term of its own. */
	if (out->tcp_rtt_us <= 0 || rtt_us < out->tcp_rtt_us)
		out->tcp_rtt_us = rtt_us;
	/* A path through others is longer than the first of its connections:
	 * so TCP and empty rounds count only until the target has answered. In
	 * band answers wait behind pages; after READY none are left. */
	if (!has_answered(out) || out->one_way) {
		out->estimate.rtt_us = fmax(
			out->tcp_rtt_us, out->arrival.path_us - EMPTY_ROUND_US);
		return;
	}
	out->estimate.rtt_us =
		out->has_outbox ? rj_ping_least_us(ping) : rj_ping_rtt_us(ping);
	out->estimate.rtt_high_us = out->has_outbox ? 0 : rj_ping_high_us(ping);
	/* A small round goes all that way, too: an answer that took longer was
	 * late for another reason, as when this process was stopped. */
	if (out->arrival.latency_us.samples &&
	    out->arrival.latency_us.mean < out->estimate.rtt_us)
		out->estimate.rtt_us = out->estimate.rtt_high_us =
			out->arrival.latency_us.mean;
}

int rj_source_ping(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	const bool laden = is_laden(out);

	return rj_link_ping(&out->link, laden, ping_ns(out, laden), err);
}
