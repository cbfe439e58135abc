/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/sender_wire.h"

#include "util/clock.h"

void rj_sender_publish(struct rj_sender *s)
{
	struct rj_counters *c = s->counters;

	atomic_store_explicit(&c->wire_bytes,
			      s->earlier_bytes + rj_channel_bytes(s->channel),
			      memory_order_relaxed);
	atomic_store_explicit(&c->cpu_us, rj_thread_cpu_us(),
			      memory_order_relaxed);
}

/*
 * Under a cap, a frame must not keep its channel busy for long: when the last
 * pages are sent, the others would have to wait for it.
 */
static void set_frame_size(struct rj_sender *s, uint64_t cap)
{
	uint64_t bytes = rj_governor_frame_bytes(cap);

	if (!cap || bytes > RJ_OUT_PAYLOAD_BYTES)
		bytes = RJ_OUT_PAYLOAD_BYTES;
	for (unsigned i = 0; i < RJ_CODEC_FRAMES; i++)
		s->frames[i]->payload_max = (uint32_t)bytes;
}

int rj_sender_apply_rate(struct rj_sender *s)
{
	const uint64_t cap = atomic_load_explicit(s->env.cap_bytes_per_s,
						  memory_order_relaxed);

	if (cap == s->rate)
		return 0;
	s->rate = cap;
	set_frame_size(s, cap);
	return rj_channel_set_rate(s->channel, rj_governor_pace(cap));
}

/* Until some of `bytes` may go: the channel is through with the last ones, and
 * all channels together with what the cap has allowed so far. Returns how many
 * in *bytes. */
static int wait_turn(struct rj_sender *s, uint64_t *bytes)
{
	int rc = rj_channel_send_wait(s->channel);

	if (rc)
		return rc;
	rj_sender_publish(s);
	rc = rj_governor_wait(s->governor, bytes, s->env.wake_fd);
	return rc ? rc : rj_sender_apply_rate(s);
}

int rj_sender_slices(struct rj_sender *s, struct rj_iov *rest)
{
	for (;;) {
		uint64_t bytes = rest->bytes;
		int rc = wait_turn(s, &bytes);

		if (rc)
			return rc;
		rj_count(&s->counters->launched_bytes, bytes);
		if (bytes == rest->bytes)
			return 0;
		rc = rj_channel_send_start(s->channel, rest->entries,
					   rj_iov_open(rest, bytes));
		if (!rc)
			rc = rj_channel_send_wait(s->channel);
		rj_iov_close(rest, bytes);
		if (rc)
			return rc;
	}
}

int rj_sender_start_rest(struct rj_sender *s, struct rj_iov *rest)
{
	/* The iovec is not restored: this frame is not used again as it is. */
	return rj_channel_send_start(s->channel, rest->entries,
				     rj_iov_open(rest, rest->bytes));
}

uint64_t rj_sender_left_bytes(const struct rj_sender *s)
{
	const uint64_t sent = rj_channel_bytes(s->channel);
	const uint64_t outstanding = rj_conn_outstanding(&s->conn);
	struct rj_channel_tcp tcp = { 0 };

	if (!rj_channel_is_tcp(s->channel))
		return sent > outstanding ? sent - outstanding : 0;
	rj_channel_tcp_info(s->channel, &tcp);
	return tcp.bytes_acked;
}
