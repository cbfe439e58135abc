/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_LANE_STALL_H
#define RJ_ENGINE_SEND_LANE_STALL_H
/*
 * Is a connection dead without a word? One that is slow acknowledges something now
 * and then. One whose peer does not read has a closed window: TCP probes it, and
 * gets answers. One that is dead has bytes under way that TCP sends again and again,
 * and none is acknowledged.
 */
#include <stdbool.h>
#include <stdint.h>

#include "ringio/tcp.h"

/* Chosen: as many as four retransmissions on a path of some 10 ms. */
#define RJ_LANE_STALL_NS (2 * UINT64_C(1000000000))

struct rj_lane_stall {
	uint64_t acked;
	uint64_t since_ns; /* when it was not stalled; 0: never looked */
};

/* What the kernel tells now; true: it is dead. Zeroed at first. */
bool rj_lane_stall_look(struct rj_lane_stall *stall,
			const struct rj_channel_tcp *tcp, uint64_t now_ns);
#endif
