/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "engine/link/lane.h"
#include "engine/wire/bytes.h"
#include "ringio/endpoint.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

/* Frames in a row that are not the caller's, until it may look at other things,
 * above all at a cancel: chosen. */
#define SIFTED_MAX 64u
/* How long an answer of 40 bytes may take to be sent: a peer that does not take
 * even this takes nothing. */
#define TOKEN_NS (5 * UINT64_C(1000000000))
/* How soon what is said goes on when the other side has heard more. Chosen. */
#define ROOM_MS 10

void rj_link_init(struct rj_link *link, const struct rj_conn *conn, int wake_fd)
{
	memset(link, 0, sizeof(*link));
	link->conn = conn ? *conn : (struct rj_conn)RJ_CONN_NONE;
	link->wake_fd = wake_fd;
	rj_mutex_init(&link->sending);
}

void rj_link_done(struct rj_link *link)
{
	rj_message_done(&link->message);
	rj_message_done(&link->unread);
}

void rj_link_unread(struct rj_link *link, struct rj_message *message)
{
	link->unread = *message;
	*message = (struct rj_message){ 0 };
}

static void count(_Atomic uint64_t *counter, uint64_t by)
{
	(void)atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static int send_through_outbox(struct rj_link *link,
			       const struct rj_frame *frame,
			       const void *payload, struct ramjet_error *err)
{
	struct rj_message message = { .frame = *frame };
	int rc;

	if (frame->payload_bytes) {
		message.payload = malloc(frame->payload_bytes);
		if (!message.payload)
			return rj_fail(err, -ENOMEM,
				       "control link: out of memory");
		memcpy(message.payload, payload, frame->payload_bytes);
	}
	rc = rj_mailbox_put(link->outbox, &message, err);
	if (rc)
		rj_error_prefix(err, "outbox");
	else if (link->nudge)
		link->nudge(link->nudge_user);
	return rc;
}

void rj_link_lose(struct rj_link *link, const struct ramjet_error *why)
{
	rj_resume_lose(link->resume, why);
	/* Whoever waits to send or to receive is told; what has arrived can
	 * still be read. */
	(void)shutdown(link->conn.fd, SHUT_RDWR);
}

int rj_link_give_up(struct rj_link *link, struct ramjet_error *err)
{
	if (!link->resume)
		return err->code;
	rj_link_lose(link, err);
	rj_error_clear(err);
	return 0;
}

/* A frame, to be written by who holds link->sending. */
struct outgoing_frame {
	const struct rj_frame *frame;
	const uint8_t *header;
	const void *payload;
	uint64_t deadline_ns;
	int wake_fd;
};

static int write_frame(struct rj_link *link, const struct outgoing_frame *out)
{
	const uint32_t payload_bytes = out->frame->payload_bytes;
	int rc = rj_send_all(&link->conn, out->header, RJ_HEADER_BYTES,
			     out->deadline_ns, out->wake_fd);

	if (!rc && payload_bytes)
		rc = rj_send_all(&link->conn, out->payload, payload_bytes,
				 out->deadline_ns, out->wake_fd);
	if (!rc)
		count(&link->bytes, RJ_HEADER_BYTES + payload_bytes);
	return rc;
}

static bool is_over(uint64_t deadline_ns)
{
	return deadline_ns && rj_now_ns() >= deadline_ns;
}

/* Not the connection has said so, but who waited for it. */
static bool is_late(int rc, uint64_t deadline_ns)
{
	return rc == -ETIMEDOUT && is_over(deadline_ns);
}

/* The log has no room: until the other side has heard more. */
static int await_room(struct rj_link *link, const struct outgoing_frame *out)
{
	const size_t bytes = RJ_HEADER_BYTES + out->frame->payload_bytes;
	struct pollfd fd = { .fd = out->wake_fd, .events = POLLIN };

	while (!rj_resume_has_room(link->resume, bytes)) {
		if (is_over(out->deadline_ns))
			return -ETIMEDOUT;
		if (poll(&fd, 1, ROOM_MS) > 0)
			return -ECANCELED;
	}
	return 0;
}

/* Keep it, and write it unless the connection is lost: then that waits. */
static int say(struct rj_link *link, const struct outgoing_frame *out,
	       struct ramjet_error *err)
{
	uint64_t number = 0;
	int rc = await_room(link, out);

	if (rc)
		return rc;
	rc = rj_resume_say(link->resume, out->header, out->payload,
			   out->frame->payload_bytes, &number, err);
	if (rc <= 0)
		return rc;
	rc = 0;
	rj_lock(&link->sending);
	if (rj_resume_begin(link->resume, number)) {
		rc = write_frame(link, out);
		if (!rc)
			rj_resume_wrote(link->resume, number);
		/* Before another one can take its place. */
		if (rj_lane_is_loss(rc) && !is_late(rc, out->deadline_ns)) {
			rj_link_lose(link, NULL);
			rc = 0;
		}
	}
	rj_unlock(&link->sending);
	return rc;
}

/* What belongs to one connection, and goes with it. Half of it must not stay: so
 * whatever fails, the connection does. */
static int say_in_passing(struct rj_link *link,
			  const struct outgoing_frame *out)
{
	int rc = 0;

	rj_lock(&link->sending);
	if (!rj_resume_is_lost(link->resume))
		rc = write_frame(link, out);
	if (rc && rc != -ECANCELED) {
		rj_link_lose(link, NULL);
		rc = 0;
	}
	rj_unlock(&link->sending);
	return rc;
}

static int write_alone(struct rj_link *link, const struct outgoing_frame *out)
{
	int rc;

	rj_lock(&link->sending);
	rc = write_frame(link, out);
	rj_unlock(&link->sending);
	if (!rc && rj_resume_counts(out->frame->type))
		link->frames_out++;
	return rc;
}

static bool ends_it(uint8_t type)
{
	return type == RJ_FRAME_FAILED || type == RJ_FRAME_CANCEL;
}

/* It is said now or never. */
static int say_last(struct rj_link *link, const struct outgoing_frame *out)
{
	rj_resume_end(link->resume);
	return rj_resume_is_lost(link->resume) ? -ENOTCONN
					       : write_alone(link, out);
}

static int send_frame(struct rj_link *link, const struct rj_frame *frame,
		      const void *payload, uint64_t deadline_ns, int wake_fd,
		      struct ramjet_error *err)
{
	uint8_t header[RJ_HEADER_BYTES];
	const struct outgoing_frame out = {
		.frame = frame,
		.header = header,
		.payload = payload,
		.deadline_ns = deadline_ns,
		.wake_fd = wake_fd,
	};
	int rc;

	if (link->outbox)
		return send_through_outbox(link, frame, payload, err);
	rj_frame_encode(frame, NULL, payload, header);
	if (!link->resume)
		rc = write_alone(link, &out);
	else if (ends_it(frame->type))
		rc = say_last(link, &out);
	else if (rj_resume_counts(frame->type))
		rc = say(link, &out, err);
	else
		rc = say_in_passing(link, &out);
	return rc ? rj_fail_errno(err, rc, "control link: sending %s",
				  rj_frame_type_name(frame->type))
		  : 0;
}

int rj_link_send(struct rj_link *link, const struct rj_frame *frame,
		 const void *payload, uint64_t deadline_ns,
		 struct ramjet_error *err)
{
	return send_frame(link, frame, payload, deadline_ns, link->wake_fd,
			  err);
}

int rj_link_send_type(struct rj_link *link, enum rj_frame_type type,
		      uint64_t deadline_ns, struct ramjet_error *err)
{
	const struct rj_frame frame = { .type = (uint8_t)type };

	return rj_link_send(link, &frame, NULL, deadline_ns, err);
}

/* 1: all there; 0: not yet; negative: errno, -ENODATA at the end. */
static int read_some(const struct rj_conn *conn, uint8_t *out, size_t wanted,
		     size_t *have)
{
	while (*have < wanted) {
		const ssize_t n =
			rj_conn_receive(conn, out + *have, wanted - *have);

		if (!n)
			return -ENODATA;
		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		*have += (size_t)n;
	}
	return 1;
}

void rj_link_blame(const struct rj_message *message, struct ramjet_error *err)
{
	rj_error_prefix(err, "control link, offset %llu",
			(unsigned long long)message->offset);
}

static bool is_known(const struct rj_frame *frame)
{
	return strcmp(rj_frame_type_name(frame->type), "unknown") != 0;
}

static int decode_head(struct rj_link *link, struct ramjet_error *err)
{
	struct rj_frame *frame = &link->message.frame;
	int rc = rj_frame_decode(link->header, frame, err);

	if (rc)
		return rc;
	link->message.offset = link->received;
	if (!is_known(frame)) {
		link->skip = (size_t)frame->run_count * RJ_RUN_BYTES +
			     frame->payload_bytes;
		return 0;
	}
	if (frame->type == RJ_FRAME_PAGES || frame->type == RJ_FRAME_FENCE)
		return rj_fail(err, -EPROTO, "a %s frame has no place here",
			       rj_frame_type_name(frame->type));
	if (!frame->payload_bytes)
		return 0;
	link->message.payload = malloc(frame->payload_bytes);
	if (!link->message.payload)
		return rj_fail(err, -ENOMEM, "out of memory for %u bytes",
			       frame->payload_bytes);
	return 0;
}

static int skip_some(struct rj_link *link)
{
	uint8_t scratch[512];

	while (link->skip) {
		const size_t wanted = link->skip < sizeof(scratch)
					      ? link->skip
					      : sizeof(scratch);
		size_t have = 0;
		const int rc = read_some(&link->conn, scratch, wanted, &have);

		link->skip -= have;
		link->payload_have += have;
		if (rc <= 0)
			return rc;
	}
	return 1;
}

static int read_body(struct rj_link *link, struct ramjet_error *err)
{
	const struct rj_frame *frame = &link->message.frame;
	int rc;

	if (!is_known(frame))
		rc = skip_some(link);
	else
		rc = read_some(&link->conn, link->message.payload,
			       frame->payload_bytes, &link->payload_have);
	if (rc <= 0)
		return rc == -ENODATA ? -EPIPE : rc;
	if (!is_known(frame))
		return 1;
	rc = rj_frame_verify(link->header, frame, NULL, link->message.payload,
			     err);
	return rc ? rc : 1;
}

/* 1: link->message is whole; 0: not yet. */
static int read_message(struct rj_link *link, struct ramjet_error *err)
{
	int rc;

	if (link->header_have < RJ_HEADER_BYTES) {
		rc = read_some(&link->conn, link->header, RJ_HEADER_BYTES,
			       &link->header_have);
		if (rc == -ENODATA && link->header_have)
			rc = -EPIPE;
		if (rc <= 0)
			return rc;
		rc = decode_head(link, err);
		if (rc)
			return rc;
	}
	rc = read_body(link, err);
	if (rc != 1)
		return rc;
	count(&link->bytes, link->header_have + link->payload_have);
	count(&link->heard, 1);
	link->frames_in += rj_resume_counts(link->message.frame.type);
	link->received += link->header_have + link->payload_have;
	link->header_have = link->payload_have = 0;
	return 1;
}

/* A message from the thread that reads the connection for us, or its reason why
 * none will follow. */
static int take_mail(struct rj_link *link, struct rj_message *ret,
		     struct ramjet_error *err)
{
	int rc = rj_mailbox_get(link->inbox, ret);

	if (!rc && link->ended)
		return rj_fail(err, -ENODATA,
			       "control link: the peer closed it");
	if (rc <= 0 || !ret->end)
		return rc;
	link->ended = true;
	rc = rj_fail(err, ret->end->code, "%s", ret->end->message);
	rj_message_done(ret);
	return rc;
}

/* 1: *ret is the next frame; 0: none is there. */
static int next_frame(struct rj_link *link, struct rj_message *ret,
		      struct ramjet_error *err)
{
	int rc;

	if (link->inbox)
		return take_mail(link, ret, err);
	if (!rj_conn_is_open(&link->conn))
		return 0;
	rc = read_message(link, err);
	if (rc == -ENODATA)
		return rj_fail(err, rc, "control link: the peer closed it");
	if (rc < 0) {
		(void)rj_fail_errno(err, rc, "the connection broke");
		rj_error_prefix(err, "control link, offset %llu",
				(unsigned long long)link->received);
		return rc;
	}
	if (!rc)
		return 0;
	*ret = link->message;
	link->message = (struct rj_message){ 0 };
	return 1;
}

static int send_token(struct rj_link *link, enum rj_frame_type type,
		      const uint8_t token[RJ_PING_BYTES], int wake_fd,
		      struct ramjet_error *err)
{
	const struct rj_frame frame = {
		.type = (uint8_t)type,
		.payload_bytes = RJ_PING_BYTES,
	};

	return send_frame(link, &frame, token, rj_now_ns() + TOKEN_NS, wake_fd,
			  err);
}

int rj_link_answer(struct rj_link *link, const struct rj_message *ping,
		   int wake_fd, struct ramjet_error *err)
{
	const int rc =
		send_token(link, RJ_FRAME_PONG, ping->payload, wake_fd, err);

	if (rc != -EPIPE && rc != -ECONNRESET)
		return rc;
	rj_error_clear(err);
	return 0;
}

int rj_link_say_heard(struct rj_link *link, uint64_t heard, int wake_fd,
		      struct ramjet_error *err)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_HEARD,
		.flags = RJ_FLAG_OPTIONAL,
		.payload_bytes = RJ_HEARD_BYTES,
	};
	uint8_t body[RJ_HEARD_BYTES];

	rj_put64(body, heard);
	return send_frame(link, &frame, body, rj_now_ns() + TOKEN_NS, wake_fd,
			  err);
}

void rj_link_hand_over(struct rj_link *from, struct rj_link *to)
{
	if (!rj_conn_is_open(&to->conn))
		rj_link_init(to, &from->conn, -1);
	to->received = from->received;
	to->frames_in = from->frames_in;
	memcpy(to->header, from->header, sizeof(to->header));
	to->header_have = from->header_have;
	to->payload_have = from->payload_have;
	to->skip = from->skip;
	to->message = from->message;
	from->message = (struct rj_message){ 0 };
	from->header_have = from->payload_have = from->skip = 0;
}

void rj_link_count(struct rj_link *link, struct rj_link *reader)
{
	count(&link->bytes, atomic_exchange_explicit(&reader->bytes, 0,
						     memory_order_relaxed));
	count(&link->heard, atomic_exchange_explicit(&reader->heard, 0,
						     memory_order_relaxed));
}

int rj_link_heard(struct rj_link *link, const struct rj_message *message,
		  struct ramjet_error *err)
{
	const int rc =
		rj_resume_heard(link->resume, rj_get64(message->payload), err);

	if (rc) {
		rj_error_prefix(err, "HEARD");
		rj_link_blame(message, err);
	}
	return rc;
}

/* Where a connection was lost, the answer may be to what was asked on it. */
static int take_pong(struct rj_link *link, const struct rj_message *message,
		     struct ramjet_error *err)
{
	const uint64_t token = rj_get64(message->payload);
	int rc;

	if (link->resume && rj_resume_returns(link->resume) &&
	    (!link->ping.awaited || token != link->ping.token))
		return 0;
	rc = rj_ping_answered(
		&link->ping, token,
		message->arrived_ns ? message->arrived_ns : rj_now_ns(), err);
	if (rc)
		rj_link_blame(message, err);
	return rc;
}

static bool is_for_link(const struct rj_link *link,
			const struct rj_frame *frame)
{
	if (frame->type == RJ_FRAME_HEARD)
		return link->resume;
	if (frame->type == RJ_FRAME_PING || frame->type == RJ_FRAME_PONG)
		return link->answers;
	return !is_known(frame);
}

/* 1: the message is for the caller; 0: it was dealt with here. */
static int sift(struct rj_link *link, struct rj_message *message,
		struct ramjet_error *err)
{
	const uint8_t type = message->frame.type;
	int rc = 0;

	if (!is_for_link(link, &message->frame))
		return 1;
	if (type == RJ_FRAME_PING)
		rc = rj_link_answer(link, message, link->wake_fd, err);
	if (type == RJ_FRAME_PONG)
		rc = take_pong(link, message, err);
	if (type == RJ_FRAME_HEARD)
		rc = rj_link_heard(link, message, err);
	rj_message_done(message);
	return rc;
}

int rj_link_poll(struct rj_link *link, struct rj_message *ret,
		 struct ramjet_error *err)
{
	struct rj_message message = link->unread;

	if (message.frame.type) {
		link->unread = (struct rj_message){ 0 };
		*ret = message;
		return 1;
	}
	for (unsigned sifted = 0; sifted < SIFTED_MAX; sifted++) {
		int rc = next_frame(link, &message, err);

		if (rc > 0)
			rc = sift(link, &message, err);
		else if (!rc)
			return 0;
		if (rc < 0)
			return rc;
		if (rc) {
			*ret = message;
			return 1;
		}
	}
	return 0;
}

/* A question goes with the connection that it was asked on. */
static void forget_lost_ping(struct rj_link *link)
{
	const uint64_t returns =
		link->resume ? rj_resume_returns(link->resume) : 0;

	if (returns != link->ping_returns)
		link->ping.awaited = false;
	link->ping_returns = returns;
}

int rj_link_ping(struct rj_link *link, bool laden, uint64_t interval_ns,
		 struct ramjet_error *err)
{
	const uint64_t now_ns = rj_now_ns();
	uint8_t token[RJ_PING_BYTES];

	if (rj_link_is_lost(link))
		return 0;
	forget_lost_ping(link);
	if (!link->answers || !rj_ping_is_due(&link->ping, interval_ns, now_ns))
		return 0;
	rj_put64(token, rj_ping_ask(&link->ping, laden, now_ns));
	return send_token(link, RJ_FRAME_PING, token, link->wake_fd, err);
}

struct pollfd rj_link_pollfd(const struct rj_link *link, int *timeout_ms)
{
	if (link->inbox)
		return (struct pollfd){ .fd = -1 };
	return rj_conn_pollfd(&link->conn, POLLIN, timeout_ms);
}
