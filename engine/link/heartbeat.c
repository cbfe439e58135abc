/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/heartbeat.h"

enum rj_pulse rj_heartbeat_look(struct rj_heartbeat *heartbeat,
				uint64_t activity, const struct rj_ping *ping,
				uint64_t now_ns)
{
	const struct rj_heartbeat_limits *limits = &rj_heartbeat_limits;
	uint64_t silent_ns;

	if (!heartbeat->heard_ns || activity != heartbeat->activity) {
		heartbeat->activity = activity;
		heartbeat->heard_ns = now_ns;
	}
	silent_ns = now_ns - heartbeat->heard_ns;
	if (silent_ns < limits->quiet_ns)
		return RJ_PULSE_FINE;
	/* This process may have been stopped meanwhile: so the peer must also
	 * have had its time since it was asked. */
	if (silent_ns >= limits->dead_ns && ping->awaited &&
	    now_ns - ping->sent_ns >= limits->dead_ns - limits->quiet_ns)
		return RJ_PULSE_DEAD;
	return RJ_PULSE_ASK;
}
