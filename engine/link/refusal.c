/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/refusal.h"

#include "engine/link/link.h"
#include "util/clock.h"

/* Chosen: how long a refusal may take to be sent. */
#define REFUSE_NS (100 * UINT64_C(1000000))

void rj_refuse_until(const struct rj_conn *conn, uint64_t deadline_ns,
		     const struct ramjet_error *why, const struct rj_log *log)
{
	uint8_t body[RJ_FAILED_BYTES_MAX];
	const struct rj_frame frame = {
		.type = RJ_FRAME_FAILED,
		.payload_bytes = (uint32_t)rj_failed_encode(why, body),
	};
	struct rj_link link;
	char peer[160];

	rj_conn_describe(conn, peer, sizeof(peer));
	rj_log(log, RJ_LOG_WARNING, "refused %s: %s", peer, why->message);
	rj_link_init(&link, conn, -1);
	(void)!rj_link_send(&link, &frame, body, deadline_ns, NULL);
	rj_link_done(&link);
}

void rj_refuse(struct rj_conn *conn, const struct ramjet_error *why,
	       const struct rj_log *log)
{
	rj_refuse_until(conn, rj_now_ns() + REFUSE_NS, why, log);
	(void)rj_conn_close(conn, 0, NULL);
}
