/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/lane_stall.h"

bool rj_lane_stall_look(struct rj_lane_stall *stall,
			const struct rj_channel_tcp *tcp, uint64_t now_ns)
{
	if (!stall->since_ns || tcp->bytes_acked != stall->acked ||
	    !tcp->unacked_bytes || !tcp->retransmits)
		stall->since_ns = now_ns;
	stall->acked = tcp->bytes_acked;
	return now_ns - stall->since_ns >= RJ_LANE_STALL_NS;
}
