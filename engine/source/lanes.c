/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/lanes.h"

#include "ringio/tcp.h"

static uint64_t acked_bytes(const struct rj_conn *conn, uint64_t sent,
			    uint64_t outstanding)
{
	struct rj_channel_tcp tcp = { 0 };

	if (conn->kind != RJ_CONN_TCP)
		return sent > outstanding ? sent - outstanding : 0;
	rj_tcp_info(conn->fd, &tcp);
	return tcp.bytes_acked;
}

struct rj_wire_now rj_lanes_look(struct rj_source_lanes *lanes)
{
	struct rj_wire_now now = {
		.held = rj_governor_holds(&lanes->governor),
	};

	for (unsigned i = 0; i < lanes->channel_count; i++) {
		const struct rj_counters *c = &lanes->counters[i];
		const struct rj_conn *conn = &lanes->senders[i].conn;
		const uint64_t outstanding = rj_conn_outstanding(conn);
		const uint64_t sent = rj_counter(&c->wire_bytes);
		const uint64_t launched = rj_counter(&c->launched_bytes);
		/* Of those before this one, which were lost, nothing is on its
		 * way any more. */
		const uint64_t before = lanes->senders[i].earlier_bytes;
		const uint64_t acked =
			before + acked_bytes(conn, sent - before, outstanding);
		const uint64_t claimed = rj_counter(&c->claimed_pages);
		const uint64_t cut = rj_counted_full(c) + rj_counted_empty(c);

		now.acked += acked;
		now.launched += launched;
		now.full_pages += rj_counted_full(c);
		now.coded_pages += rj_counter(&c->compressed_pages) +
				   rj_counter(&c->delta_pages);
		/* Of a frame under way, part may be acknowledged already. */
		if (launched > acked)
			now.queued += launched - acked;
		if (claimed > cut)
			now.in_hand_pages += claimed - cut;
	}
	return now;
}

struct rj_sent rj_lanes_sent(const struct rj_source_lanes *lanes)
{
	struct rj_sent sent = { 0 };

	for (unsigned i = 0; i < lanes->channel_count; i++) {
		const struct rj_counters *c = &lanes->counters[i];

		sent.wire_bytes += rj_counter(&c->wire_bytes);
		sent.payload_bytes += rj_counter(&c->payload_bytes);
		sent.raw_pages += rj_counted_full(c);
		sent.zero_pages += rj_counted_empty(c);
	}
	return sent;
}

uint64_t rj_lanes_launched_bytes(const struct rj_source_lanes *lanes)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < lanes->channel_count; i++)
		bytes += rj_counter(&lanes->counters[i].launched_bytes);
	return bytes;
}

uint32_t rj_lanes_tcp_rtt_us(const struct rj_source_lanes *lanes)
{
	uint32_t slowest = 0;

	for (unsigned i = 0; i < lanes->channel_count; i++) {
		const uint32_t us = atomic_load_explicit(
			&lanes->counters[i].rtt_us, memory_order_relaxed);

		slowest = us > slowest ? us : slowest;
	}
	return slowest;
}
