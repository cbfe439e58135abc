/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_HEARTBEAT_H
#define RJ_ENGINE_LINK_HEARTBEAT_H
/*
 * Is the peer still alive? The connection does not tell as long as another
 * process (such as a child that the VMM has forked) holds the other end open.
 * So after some silence the peer is asked (PING), and taken for dead if it does
 * not answer for long. A thread that does nothing else answers
 * (engine/link/link_keeper.h), so a peer that is merely busy is not taken for
 * dead.
 */
#include <stdint.h>

#include "engine/link/ping.h"

struct rj_heartbeat_limits {
	uint64_t quiet_ns; /* silence after which the peer is asked */
	uint64_t dead_ns;  /* silence after which it is taken for dead */
};
/* 10 s and 30 s; in a file of its own, so that a test can have others. */
extern const struct rj_heartbeat_limits rj_heartbeat_limits;

struct rj_heartbeat {
	uint64_t activity;
	uint64_t heard_ns; /* 0: not yet looked */
};

enum rj_pulse {
	RJ_PULSE_FINE,
	RJ_PULSE_ASK,
	RJ_PULSE_DEAD,
};

/* `activity` changes whenever anything is heard of the peer, or taken by it;
 * `ping`: what was asked, and whether it was answered. */
enum rj_pulse rj_heartbeat_look(struct rj_heartbeat *heartbeat,
				uint64_t activity, const struct rj_ping *ping,
				uint64_t now_ns);
#endif
