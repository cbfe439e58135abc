/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/path.h"

#include <math.h>

#include "engine/source/lanes.h"

/* The path, end to end, is measured all along. Chosen: ten times a second costs
 * 400 bytes, and finds a path that has changed within some rounds. The first
 * questions come at once, since a switchover waits for them: of 20 sources that
 * were stopped after the first one, 2 took half a second for the path. */
#define PING_NS       (100 * UINT64_C(1000000))
#define FIRST_PING_NS (1 * UINT64_C(1000000))
#define FIRST_PINGS   5u

/* What is queued takes this long at most, or is so little that it does not
 * matter. Chosen: within what threads are late by anyway. */
#define UNLADEN_US    500.0
#define UNLADEN_BYTES 16384.0

static bool is_laden(const struct rj_forecast *forecast)
{
	const double bytes =
		forecast->estimate.capacity.mean * UNLADEN_US / 1e6;

	return (double)forecast->wire.queued > fmax(bytes, UNLADEN_BYTES);
}

/* A few answers soon: the first may have been late. */
static uint64_t ping_ns(const struct rj_source_session *session, bool laden)
{
	return !laden && session->link.ping.answers < FIRST_PINGS
		       ? FIRST_PING_NS
		       : PING_NS;
}

static bool has_answered(const struct rj_source_session *session)
{
	return session->one_way || session->link.ping.answers;
}

bool rj_path_is_known(const struct rj_source_session *session,
		      const struct rj_forecast *forecast)
{
	return has_answered(session) || forecast->arrival.latency_us.samples;
}

void rj_path_take_rtt(const struct rj_source_session *session,
		      const struct rj_source_lanes *lanes,
		      struct rj_forecast *forecast)
{
	const struct rj_ping *ping = &session->link.ping;
	struct rj_path_seen seen = {
		.tcp_us = rj_lanes_tcp_rtt_us(lanes),
	};

	if (!session->one_way)
		seen.rtt_us = rj_ping_rtt_us(ping);
	/* In band answers wait behind pages; after READY none are left. */
	if (seen.rtt_us && session->has_outbox)
		seen.rtt_us = rj_ping_least_us(ping);
	else if (seen.rtt_us)
		seen.high_us = rj_ping_high_us(ping);
	rj_forecast_take_path(forecast, &seen);
}

int rj_path_ping(struct rj_source_session *session,
		 const struct rj_forecast *forecast, struct ramjet_error *err)
{
	const bool laden = is_laden(forecast);

	return rj_link_ping(&session->link, laden, ping_ns(session, laden),
			    err);
}
