/* SPDX-License-Identifier: BSD-3-Clause */
/* What the wire holds at this moment. */
#include "engine/source/outgoing.h"
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

struct rj_wire_now rj_source_look(const struct ramjet_migration *m)
{
	struct rj_wire_now now = {
		.held = rj_governor_holds(&m->out->lanes.governor),
	};

	for (unsigned i = 0; i < m->out->lanes.channel_count; i++) {
		const struct rj_counters *c = &m->counters[i];
		const struct rj_conn *conn = &m->out->lanes.senders[i].conn;
		const uint64_t outstanding = rj_conn_outstanding(conn);
		const uint64_t sent = rj_counter(&c->wire_bytes);
		const uint64_t launched = rj_counter(&c->launched_bytes);
		const uint64_t acked = acked_bytes(conn, sent, outstanding);
		const uint64_t claimed = rj_counter(&c->claimed_pages);
		const uint64_t cut = rj_counter(&c->normal_pages) +
				     rj_counter(&c->zero_pages);

		now.acked += acked;
		now.launched += launched;
		/* Of a frame under way, part may be acknowledged already. */
		if (launched > acked)
			now.queued += launched - acked;
		if (claimed > cut)
			now.in_hand_pages += claimed - cut;
	}
	return now;
}
