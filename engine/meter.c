/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/meter.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "engine/outgoing.h"
#include "ringio/tcp.h"

/* A shorter span says more about socket buffers than about the wire. */
#define SAMPLE_US 60000u
/* Until there is a sample, a shorter one is better than none. */
#define FIRST_SAMPLE_US 5000u

static uint64_t outstanding_bytes(const struct rj_conn *conn)
{
	int bytes = 0;

	if (!rj_conn_is_socket(conn) || ioctl(conn->fd, SIOCOUTQ, &bytes) < 0)
		return 0;
	return bytes > 0 ? (uint64_t)bytes : 0;
}

static uint64_t acked_bytes(const struct rj_conn *conn, uint64_t sent,
			    uint64_t outstanding)
{
	struct rj_channel_tcp tcp = { 0 };

	if (conn->kind != RJ_CONN_TCP)
		return sent > outstanding ? sent - outstanding : 0;
	rj_tcp_info(conn->fd, &tcp);
	return tcp.bytes_acked;
}

struct rj_wire_now rj_meter_look(const struct ramjet_migration *m)
{
	struct rj_wire_now now = {
		.held = rj_governor_holds(&m->out->governor),
	};

	for (unsigned i = 0; i < m->out->channel_count; i++) {
		const struct rj_counters *c = &m->counters[i];
		const struct rj_conn *conn = &m->out->senders[i].conn;
		const uint64_t outstanding = outstanding_bytes(conn);
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

void rj_meter_tick(struct rj_meter *meter, const struct rj_wire_now *now,
		   uint64_t now_us, bool busy, struct rj_smooth *capacity)
{
	const uint64_t wanted = capacity->samples ? SAMPLE_US : FIRST_SAMPLE_US;
	/* Under a cap, frames wait for it rather than in a socket. */
	const bool queued = now->queued || now->held;

	if (now->acked > meter->moved || !meter->moved_us) {
		meter->moved = now->acked;
		meter->moved_us = now_us;
	}
	/* Only while something was queued all the time: else the span tells of
	 * latency, not of capacity. But files, pipes and fast sockets may never
	 * be seen with a queue: without any sample nothing converges. */
	if (busy && ((meter->was_queued && queued) || !capacity->samples) &&
	    meter->since_us && now->acked >= meter->acked) {
		meter->busy_bytes += now->acked - meter->acked;
		meter->busy_us += now_us - meter->since_us;
	}
	meter->was_queued = queued;
	meter->acked = now->acked;
	meter->since_us = now_us;
	if (meter->busy_us < wanted || !meter->busy_bytes)
		return;
	rj_smooth_add(capacity,
		      (double)meter->busy_bytes * 1e6 / (double)meter->busy_us);
	meter->busy_bytes = meter->busy_us = 0;
}

uint64_t rj_meter_still_us(const struct rj_meter *meter, uint64_t now_us)
{
	return meter->moved_us ? now_us - meter->moved_us : 0;
}
