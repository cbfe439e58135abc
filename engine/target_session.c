/* SPDX-License-Identifier: BSD-3-Clause */
/* The target takes a session: control link, channels, the block table. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "engine/hello.h"
#include "engine/incoming.h"
#include "engine/last_words.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

/* A connection that says nothing must not keep the session waiting. */
#define HELLO_NS (5 * UINT64_C(1000000000))
#define LOOK_NS  (100 * UINT64_C(1000000))

static uint64_t sooner(uint64_t a_ns, uint64_t b_ns)
{
	if (!a_ns || !b_ns)
		return a_ns ? a_ns : b_ns;
	return a_ns < b_ns ? a_ns : b_ns;
}

static int alloc_receivers(struct rj_incoming *in, unsigned count,
			   struct ramjet_error *err)
{
	in->receivers = calloc(count, sizeof(*in->receivers));
	if (!in->receivers)
		return rj_fail(err, -ENOMEM, "session: out of memory");
	for (unsigned i = 0; i < count; i++)
		in->receivers[i].conn = (struct rj_conn)RJ_CONN_NONE;
	in->channel_count = count;
	return 0;
}

static int check_channel_count(const struct ramjet_params *params,
			       const struct rj_hello *hello,
			       struct ramjet_error *err)
{
	if (params->channels && hello->channel_count > params->channels)
		return rj_fail(err, -E2BIG,
			       "session: the source wants %u channels, this "
			       "side allows %u",
			       hello->channel_count, params->channels);
	return 0;
}

/* The first connection of a session must be its control link. */
static int take_control(struct ramjet_migration *m, struct rj_hello *hello,
			struct ramjet_error *err)
{
	const struct ramjet_params params = rj_migration_params(m);
	struct rj_incoming *in = m->in;
	char peer[160];
	int rc;

	/* A source may come any time: no deadline before it does. */
	rc = rj_accept(&in->listener, 0, m->wake_fd, &in->control, err);
	if (rc)
		return rc;
	rj_link_init(&in->link, in->control.fd, m->wake_fd);
	in->link.received = RJ_HELLO_FRAME_BYTES;
	rj_conn_describe(&in->control, peer, sizeof(peer));
	rj_log(&m->log, RJ_LOG_INFO, "control link: %s", peer);
	rc = rj_hello_receive(in->control.fd, hello, rj_now_ns() + HELLO_NS,
			      m->wake_fd, err);
	if (!rc && hello->role != RJ_ROLE_CONTROL)
		rc = rj_fail(err, -EPROTO,
			     "handshake: role %u, wanted a control link",
			     hello->role);
	if (!rc)
		rc = check_channel_count(&params, hello, err);
	if (rc) {
		rj_error_prefix(err, "control link");
		return rc;
	}
	hello->version_min = hello->version_max = RJ_WIRE_VERSION;
	rc = rj_hello_send(in->control.fd, hello,
			   rj_migration_reply_deadline(m), m->wake_fd, err);
	return rc ? rc : alloc_receivers(in, hello->channel_count, err);
}

static int check_data_hello(const struct rj_incoming *in,
			    const struct rj_hello *session,
			    const struct rj_hello *hello,
			    struct ramjet_error *err)
{
	if (hello->role != RJ_ROLE_DATA ||
	    memcmp(hello->session, session->session, RJ_SESSION_BYTES))
		return rj_fail(err, -EBUSY,
			       "session: another one is being served");
	if (hello->channel_count != in->channel_count ||
	    hello->channel_index >= in->channel_count)
		return rj_fail(err, -EPROTO,
			       "session: channel %u of %u, the session has %u",
			       hello->channel_index, hello->channel_count,
			       in->channel_count);
	if (in->receivers[hello->channel_index].conn.fd >= 0)
		return rj_fail(err, -EPROTO,
			       "session: channel %u is connected already",
			       hello->channel_index);
	return 0;
}

static void refuse(struct ramjet_migration *m, struct rj_conn *conn,
		   const struct ramjet_error *why)
{
	uint8_t body[RJ_FAILED_BYTES_MAX];
	const struct rj_frame frame = {
		.type = RJ_FRAME_FAILED,
		.payload_bytes = (uint32_t)rj_failed_encode(why, body),
	};
	struct rj_link link;
	char peer[160];

	rj_conn_describe(conn, peer, sizeof(peer));
	rj_log(&m->log, RJ_LOG_WARNING, "refused %s: %s", peer, why->message);
	rj_link_init(&link, conn->fd, -1);
	(void)!rj_link_send(&link, &frame, body, rj_now_ns() + HELLO_NS / 50,
			    NULL);
	(void)rj_conn_close(conn, 0, NULL);
}

/* Has the source hung up, or said that it gives up? Takes nothing else from
 * the control link: BLOCKS may be there already. */
static int check_control(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_link *link = &m->in->link;
	uint8_t header[RJ_HEADER_BYTES];
	const ssize_t n =
		recv(link->fd, header, sizeof(header), MSG_PEEK | MSG_DONTWAIT);
	struct rj_message message = { 0 };
	struct rj_frame frame;
	int rc;

	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
		return rj_fail(err, n ? -errno : -ENODATA,
			       "control link: the source closed it");
	if (n < (ssize_t)sizeof(header) ||
	    rj_frame_decode(header, &frame, NULL) ||
	    (frame.type != RJ_FRAME_CANCEL && frame.type != RJ_FRAME_FAILED))
		return 0;
	rc = rj_link_wait(link, rj_migration_reply_deadline(m), &message, err);
	if (!rc)
		rc = rj_take_last_words(m, &message, "source", err);
	rj_message_done(&message);
	return rc;
}

/* Accept, but look at the control link now and then. */
static int accept_while_alive(struct ramjet_migration *m, uint64_t deadline_ns,
			      struct rj_conn *ret, struct ramjet_error *err)
{
	struct rj_listener *listener = &m->in->listener;
	int rc = -ETIMEDOUT;

	while (rc == -ETIMEDOUT) {
		const uint64_t look_ns = rj_now_ns() + LOOK_NS;

		rc = check_control(m, err);
		if (rc)
			return rc;
		if (deadline_ns && deadline_ns <= look_ns)
			return rj_accept(listener, deadline_ns, m->wake_fd, ret,
					 err);
		rj_error_clear(err);
		rc = rj_accept(listener, look_ns, m->wake_fd, ret, err);
	}
	return rc;
}

/* Take one connection: a channel of ours, or one to refuse. */
static int take_channel(struct ramjet_migration *m,
			const struct rj_hello *session, uint64_t deadline_ns,
			unsigned *missing, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct rj_conn conn = RJ_CONN_NONE;
	struct ramjet_error why = { 0 };
	struct rj_hello hello;
	int rc;

	rc = accept_while_alive(m, deadline_ns, &conn, err);
	if (rc) {
		rj_error_prefix(err, "%u of %u channels are missing", *missing,
				in->channel_count);
		return rc;
	}
	rc = rj_hello_receive(conn.fd, &hello,
			      sooner(deadline_ns, rj_now_ns() + HELLO_NS),
			      m->wake_fd, &why);
	if (!rc)
		rc = check_data_hello(in, session, &hello, &why);
	if (rc) {
		refuse(m, &conn, &why);
		return rc == -ECANCELED ? rc : 0;
	}
	in->receivers[hello.channel_index].conn = conn;
	--*missing;
	return 0;
}

static int take_many(struct ramjet_migration *m, struct ramjet_error *err)
{
	const uint64_t timeout_ns =
		rj_migration_params(m).connect_timeout_ms * UINT64_C(1000000);
	struct rj_hello session;
	uint64_t deadline_ns;
	unsigned missing;
	int rc = take_control(m, &session, err);

	if (rc)
		return rc;
	missing = m->in->channel_count;
	deadline_ns = timeout_ns ? rj_now_ns() + timeout_ns : 0;
	m->in->hello_bytes = RJ_HELLO_FRAME_BYTES;
	while (!rc && missing)
		rc = take_channel(m, &session, deadline_ns, &missing, err);
	rj_listener_close(&m->in->listener);
	return rc;
}

static int take_one(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct rj_hello hello;
	struct rj_conn *conn;
	int rc = alloc_receivers(in, 1, err);

	if (rc)
		return rc;
	conn = &in->receivers[0].conn;
	*conn = in->single;
	in->single = (struct rj_conn)RJ_CONN_NONE;
	in->one_way = !rj_conn_is_socket(conn);
	in->hello_bytes = RJ_HELLO_FRAME_BYTES;
	rj_link_init(&in->link, conn->fd, m->wake_fd);
	in->link.received = RJ_HELLO_FRAME_BYTES;
	rc = rj_hello_receive(conn->fd, &hello, 0, m->wake_fd, err);
	if (!rc && hello.role != (in->one_way ? RJ_ROLE_ONE_WAY : RJ_ROLE_BOTH))
		rc = rj_fail(err, -EPROTO,
			     "handshake: role %u on a %s connection",
			     hello.role, in->one_way ? "one-way" : "two-way");
	if (!rc && !in->one_way)
		rc = rj_hello_send(conn->fd, &hello,
				   rj_migration_reply_deadline(m), m->wake_fd,
				   err);
	return rc;
}

static int take_blocks(struct ramjet_migration *m,
		       const struct rj_message *message,
		       struct ramjet_error *err)
{
	rj_autofree struct rj_wire_block *blocks = NULL;
	uint32_t count = 0;
	int rc;

	switch (message->frame.type) {
	case RJ_FRAME_BLOCKS:
		break;
	case RJ_FRAME_FAILED:
	case RJ_FRAME_CANCEL:
		return rj_take_last_words(m, message, "source", err);
	default:
		(void)rj_fail(err, -EPROTO, "a %s frame, wanted BLOCKS",
			      rj_frame_type_name(message->frame.type));
		rj_link_blame(message, err);
		return -EPROTO;
	}
	rc = rj_blocks_decode(message->payload, message->frame.payload_bytes,
			      &blocks, &count, err);
	if (rc) {
		rj_link_blame(message, err);
		return rc;
	}
	return rj_target_match_blocks(m, blocks, count, err);
}

static int read_blocks(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct rj_message message = { 0 };
	int rc = rj_link_wait(&in->link,
			      in->one_way ? 0 : rj_migration_reply_deadline(m),
			      &message, err);

	if (rc)
		return rc;
	rc = take_blocks(m, &message, err);
	rj_message_done(&message);
	return rc;
}

/* Pages come into them from now on, and stay there if this session fails: the
 * next one must find out which. */
static void end_freshness(struct ramjet_guest *guest)
{
	rj_lock(&guest->lock);
	for (unsigned i = 0; i < guest->block_count; i++)
		guest->blocks[i].flags &= ~(uint32_t)RAMJET_BLOCK_FRESH;
	rj_unlock(&guest->lock);
}

int rj_target_open_session(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	int rc =
		rj_uri_is_multi(&m->uri) ? take_many(m, err) : take_one(m, err);

	if (!rc)
		rc = read_blocks(m, err);
	if (!rc)
		rc = rj_target_memory_init(&in->memory, in->blocks,
					   in->block_count, err);
	if (!rc)
		rc = rj_target_memory_clear(&in->memory, err);
	if (!rc)
		end_freshness(m->guest);
	if (!rc && !in->one_way)
		rc = rj_link_send_type(&in->link, RJ_FRAME_ACCEPT,
				       rj_migration_reply_deadline(m), err);
	return rc;
}
