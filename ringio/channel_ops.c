/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/channel_ops.h"

#include "ringio/tcp.h"

/* The most that a receive waits for (decision 017): more would let the sender's
 * window run dry. */
#define LOW_WATER_BYTES (256u << 10)

void rj_channel_expect(struct rj_channel *channel, uint64_t bytes)
{
	const uint32_t low =
		bytes < LOW_WATER_BYTES ? (uint32_t)bytes : LOW_WATER_BYTES;

	if (channel->conn.kind != RJ_CONN_TCP || channel->low_water == low)
		return;
	rj_tcp_set_low_water(channel->conn.fd, low);
	channel->low_water = low;
}
