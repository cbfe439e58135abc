/* SPDX-License-Identifier: BSD-3-Clause */
/* The target takes a session: control link, channels, the block table. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "engine/link/hello.h"
#include "engine/link/lanes.h"
#include "engine/link/link_wait.h"
#include "engine/link/lobby.h"
#include "engine/link/refusal.h"
#include "engine/migration/last_words.h"
#include "engine/placement/cpu_limit.h"
#include "engine/target/incoming.h"
#include "engine/target/pump.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

/* Chosen. How often the control link is looked at while channels are awaited; and
 * how long a connection that is refused at the end, with all others there, has to
 * read why. */
#define LOOK_NS (100 * UINT64_C(1000000))
#define PART_NS (300 * UINT64_C(1000000))

static int alloc_receivers(struct rj_incoming *in, unsigned count,
			   struct ramjet_error *err)
{
	in->receivers = calloc(count, sizeof(*in->receivers));
	if (!in->receivers)
		return rj_fail(err, -ENOMEM, "session: out of memory");
	for (unsigned i = 0; i < count; i++)
		in->receivers[i] = (struct rj_receiver){
			.conn = (struct rj_conn)RJ_CONN_NONE,
			.stop_fd = -1,
			.wake_fd = -1,
		};
	in->channel_count = count;
	return 0;
}

/* How many channels to take, of those that the source wished for. */
static unsigned channels_to_take(struct ramjet_migration *m, unsigned wished)
{
	const unsigned most = rj_migration_params(m).channels;
	struct ramjet_error why = { 0 };
	unsigned count = wished;

	if (most && wished > most) {
		count = most;
		(void)rj_fail(&why, -E2BIG, "no more were asked for");
	}
	count = rj_lanes_available(count, &why);
	if (count < wished)
		rj_log(&m->log, RJ_LOG_INFO,
		       "channels: the source wishes for %u, this side takes "
		       "%u: %s",
		       wished, count, why.message);
	return count;
}

/* A source wants to open a session: does its HELLO allow it? */
static int check_control_hello(const struct rj_hello *hello,
			       struct ramjet_error *err)
{
	if (hello->role != RJ_ROLE_CONTROL && hello->role != RJ_ROLE_BOTH)
		return rj_fail(err, -EPROTO,
			       "handshake: role %u, wanted a control link or "
			       "a connection for all",
			       hello->role);
	if (hello->epoch)
		return rj_fail(err, -EPROTO,
			       "handshake: a control link returns (epoch %u), "
			       "and no session is there",
			       hello->epoch);
	return 0;
}

/* The first good HELLO for a control link opens the session. Strangers, such as
 * port scanners and sources of another version, are refused, and the target
 * goes on waiting. */
static int await_control(struct ramjet_migration *m, struct rj_lobby *lobby,
			 struct rj_visitor *visitor, struct ramjet_error *err)
{
	int rc;

	for (;;) {
		/* A source may come at any time: there is no deadline until it
		 * does. */
		rc = rj_lobby_next(lobby, 0, m->wake_fd, visitor, err);
		if (rc)
			return rc;
		rc = visitor->why.code;
		if (!rc)
			rc = check_control_hello(&visitor->hello,
						 &visitor->why);
		if (!rc)
			return 0;
		rj_refuse(&visitor->conn, &visitor->why, &m->log);
	}
}

static int take_control(struct ramjet_migration *m, struct rj_lobby *lobby,
			struct rj_hello *ret, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct rj_visitor visitor;
	char peer[160];
	int rc = await_control(m, lobby, &visitor, err);

	if (rc)
		return rc;
	in->control = visitor.conn;
	rj_link_init(&in->link, &in->control, m->wake_fd);
	in->link.received = RJ_HELLO_FRAME_BYTES;
	rj_conn_describe(&in->control, peer, sizeof(peer));
	rj_log(&m->log, RJ_LOG_INFO, "control link: %s", peer);
	*ret = visitor.hello;
	ret->version_min = ret->version_max = RJ_WIRE_VERSION;
	return rj_hello_send(&in->control, ret, rj_migration_reply_deadline(m),
			     m->wake_fd, err);
}

/* The source was given one connection (fd:): it has no other, so this one
 * carries everything. */
static void take_as_only_channel(struct rj_incoming *in)
{
	in->receivers[0].conn = in->control;
	in->control = (struct rj_conn)RJ_CONN_NONE;
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
	if (rj_conn_is_open(&in->receivers[hello->channel_index].conn))
		return rj_fail(err, -EPROTO,
			       "session: channel %u is connected already",
			       hello->channel_index);
	if (hello->epoch)
		return rj_fail(err, -EPROTO,
			       "session: channel %u of epoch %u, wanted epoch "
			       "0",
			       hello->channel_index, hello->epoch);
	return 0;
}

/* Has the source hung up, or said that it gives up? */
static int check_control(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_link *link = &m->in->link;
	struct rj_message message = { 0 };
	int rc = rj_link_poll(link, &message, err);

	if (rc <= 0)
		return rc;
	rc = 0;
	if (message.frame.type == RJ_FRAME_CANCEL ||
	    message.frame.type == RJ_FRAME_FAILED)
		rc = rj_take_last_words(&m->in->env, &message, "source", err);
	else /* the end of a guest that was sent at once: not yet */
		rj_link_unread(link, &message);
	rj_message_done(&message);
	return rc;
}

/* Wait for the next connection, but look at the control link now and then. */
static int await_while_alive(struct ramjet_migration *m, struct rj_lobby *lobby,
			     uint64_t deadline_ns, struct rj_visitor *ret,
			     struct ramjet_error *err)
{
	int rc = -ETIMEDOUT;

	while (rc == -ETIMEDOUT) {
		const uint64_t look_ns = rj_now_ns() + LOOK_NS;

		/* No connection came in this span: that is no error, so clear
		 * it. */
		rj_error_clear(err);
		rc = check_control(m, err);
		if (rc)
			return rc;
		if (deadline_ns && deadline_ns <= look_ns)
			return rj_lobby_next(lobby, deadline_ns, m->wake_fd,
					     ret, err);
		rc = rj_lobby_next(lobby, look_ns, m->wake_fd, ret, err);
	}
	return rc;
}

/* Take one connection: it is a channel of this session, or refused. */
static int take_channel(struct ramjet_migration *m, struct rj_lobby *lobby,
			const struct rj_hello *session, uint64_t deadline_ns,
			unsigned *missing, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct rj_visitor visitor;
	int rc = await_while_alive(m, lobby, deadline_ns, &visitor, err);

	if (rc) {
		rj_error_prefix(err, "%u of %u channels are missing", *missing,
				in->channel_count);
		return rc;
	}
	if (visitor.why.code ||
	    check_data_hello(in, session, &visitor.hello, &visitor.why)) {
		rj_refuse(&visitor.conn, &visitor.why, &m->log);
		return 0;
	}
	in->receivers[visitor.hello.channel_index].conn = visitor.conn;
	--*missing;
	return 0;
}

static int take_channels(struct ramjet_migration *m, struct rj_lobby *lobby,
			 const struct rj_hello *session,
			 struct ramjet_error *err)
{
	const uint64_t timeout_ns =
		rj_migration_params(m).connect_timeout_ms * UINT64_C(1000000);
	const uint64_t deadline_ns = timeout_ns ? rj_now_ns() + timeout_ns : 0;
	unsigned missing = m->in->channel_count;
	int rc = 0;

	m->in->hello_bytes = RJ_HELLO_FRAME_BYTES;
	if (session->role == RJ_ROLE_BOTH) {
		take_as_only_channel(m->in);
		return 0;
	}
	while (!rc && missing)
		rc = take_channel(m, lobby, session, deadline_ns, &missing,
				  err);
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
	in->one_way = !rj_conn_is_two_way(conn);
	in->hello_bytes = RJ_HELLO_FRAME_BYTES;
	rj_link_init(&in->link, conn, m->wake_fd);
	in->link.received = RJ_HELLO_FRAME_BYTES;
	rc = rj_conn_await_writer(conn, m->wake_fd, err);
	if (!rc)
		rc = rj_hello_receive(conn, &hello, 0, m->wake_fd, err);
	/* Its source may write to a pipe: ssh, nc and the like give a socket. */
	if (!rc && hello.role == RJ_ROLE_ONE_WAY)
		in->one_way = true;
	else if (!rc && (in->one_way || hello.role != RJ_ROLE_BOTH))
		rc = rj_fail(err, -EPROTO,
			     "handshake: role %u on a %s connection",
			     hello.role, in->one_way ? "one-way" : "two-way");
	if (!rc && !in->one_way)
		rc = rj_hello_send(conn, &hello, rj_migration_reply_deadline(m),
				   m->wake_fd, err);
	return rc;
}

/* What builds on older copies has to read them. */
static bool can_build(const struct rj_incoming *in)
{
	for (unsigned i = 0; i < in->block_count; i++)
		if (in->blocks[i].foreign && !in->blocks[i].foreign->read)
			return false;
	return true;
}

/* The source has asked: so it knows the answer. */
static int answer_offer(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	const struct rj_frame frame = {
		.type = RJ_FRAME_TAKES,
		.flags = RJ_FLAG_OPTIONAL,
		.payload_bytes = RJ_KINDS_BYTES,
	};
	uint8_t body[RJ_KINDS_BYTES];

	if (!in->was_offered || in->one_way)
		return 0;
	if (!can_build(in))
		in->takes &= ~(1u << RJ_RUN_DELTA | 1u << RJ_RUN_SAME);
	rj_talk_said(&in->talk, RJ_FRAME_TAKES);
	rj_kinds_encode(in->takes, body);
	return rj_link_send(&in->link, &frame, body,
			    rj_migration_reply_deadline(m), err);
}

static int answer_accept(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	const struct rj_frame frame = {
		.type = RJ_FRAME_ACCEPT,
		.payload_bytes = RJ_ACCEPT_BYTES,
	};
	uint8_t body[RJ_ACCEPT_BYTES];

	in->talk.one_way = in->one_way;
	in->talk.lanes_may_be_lost = in->lanes_may_be_lost;
	rj_talk_said(&in->talk, RJ_FRAME_ACCEPT);
	if (in->one_way)
		return 0;
	in->link.answers = true;
	rj_accept_encode((uint16_t)in->channel_count, body);
	return rj_link_send(&in->link, &frame, body,
			    rj_migration_reply_deadline(m), err);
}

/* Up to BLOCKS: what its VMM says of the guest may come before. */
static int read_blocks(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct rj_message message = { 0 };
	int rc = 0;

	while (!rc && !in->blocks) {
		rc = rj_link_wait(&in->link,
				  in->one_way ? 0
					      : rj_migration_reply_deadline(m),
				  &message, err);
		if (rc)
			return rc;
		rc = rj_target_take(m, &message, err);
		rj_message_done(&message);
	}
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

static void report_first_touch(struct ramjet_migration *m)
{
	const struct rj_target_memory *memory = &m->in->memory;
	const struct rj_first_touch_summary summary = rj_first_touch_summary(
		memory->first_touch, memory->block_count);

	rj_lock(&m->lock);
	rj_statistics_path(&m->stats, "first touch", summary.chosen,
			   "block %s: %s", summary.example->block->name,
			   summary.example->why);
	rj_unlock(&m->lock);
}

/* Beside the receive workers, which wait for the network most of the time. */
static unsigned clear_threads(const struct rj_incoming *in)
{
	return in->cpus / 2 ? in->cpus / 2 : 1;
}

/* What the two sides must agree about, before pages may come. */
static int agree(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct rj_cpu_limit limit;
	int rc = read_blocks(m, err);

	rj_cpu_limit_read(&limit);
	in->cpus = limit.cpus;
	if (!rc)
		rc = rj_target_memory_init(&in->memory, in->blocks,
					   in->block_count, err);
	rj_headroom_init(&in->memory.headroom, in->channel_count);
	if (!rc)
		report_first_touch(m);
	if (!rc)
		rc = rj_target_memory_clear(&in->memory, m, clear_threads(in),
					    m->event_fd, err);
	if (!rc)
		end_freshness(m->guest);
	if (!rc)
		rc = answer_offer(m, err);
	if (!rc)
		rc = rj_target_answer_keeps(m, err);
	return rc ? rc : answer_accept(m, err);
}

/* Whoever is in the lobby stays there until the door is opened. */
static void keep_lobby(struct rj_incoming *in, struct rj_lobby *lobby,
		       const struct rj_hello *session)
{
	if (!in->reconnect_ms || in->listener.fd < 0 ||
	    !rj_conn_is_open(&in->control))
		return;
	in->session = *session;
	in->lobby = *lobby;
	*lobby = (struct rj_lobby){ 0 };
}

static int open_many(struct ramjet_migration *m, struct rj_lobby *lobby,
		     struct ramjet_error *err)
{
	struct rj_hello session;
	int rc = take_control(m, lobby, &session, err);

	if (!rc)
		rc = alloc_receivers(
			m->in, channels_to_take(m, session.channel_count), err);
	if (!rc)
		rc = agree(m, err);
	if (!rc)
		rc = take_channels(m, lobby, &session, err);
	if (!rc)
		keep_lobby(m->in, lobby, &session);
	return rc;
}

int rj_target_open_session(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	struct rj_lobby lobby;
	int rc;

	if (!rj_uri_is_multi(&m->uri)) {
		rc = take_one(m, err);
		return rc ? rc : agree(m, err);
	}
	if (in->intake.fd >= 0)
		rc = rj_lobby_init_given(&lobby, &in->intake, m->listen_uri,
					 err);
	else
		rc = rj_lobby_init(&lobby, &in->listener, err);
	lobby.log = &m->log;
	if (!rc)
		rc = open_many(m, &lobby, err);
	rj_lobby_done(&lobby);
	rj_intake_close(&in->intake);
	if (!in->lobby.seats)
		rj_listener_close(&in->listener);
	return rc;
}

/* Without one nobody returns: a connection that is lost stays so. */
void rj_target_open_door(struct ramjet_migration *m)
{
	struct rj_incoming *in = m->in;
	struct ramjet_error err = { 0 };

	if (!in->lobby.seats ||
	    !rj_door_open(&in->door, &in->lobby, &in->session,
			  in->channel_count, m->event_fd, &m->log, &err))
		return;
	rj_log(&m->log, RJ_LOG_WARNING, "%s", err.message);
	rj_lobby_done(&in->lobby);
	rj_listener_close(&in->listener);
}

/* A socket that is closed with bytes unread is reset, and our FAILED may be
 * lost with it: so read what comes, until the peer has closed or the time is
 * over. */
static void part_with(struct rj_conn *conn, uint64_t deadline_ns)
{
	uint8_t scratch[256];
	ssize_t n = 1;

	rj_conn_shut_down(conn);
	while (n && rj_now_ns() < deadline_ns &&
	       !rj_conn_wait(conn, POLLIN, deadline_ns, -1)) {
		n = rj_conn_receive(conn, scratch, sizeof(scratch));
		if (n < 0 && n != -EAGAIN)
			return;
	}
}

/* The next one that waits, if there is one. */
static bool next_waiting(struct rj_incoming *in, struct rj_conn *ret)
{
	struct rj_arrival arrival;

	if (in->listener.fd >= 0)
		return !rj_accept(&in->listener, rj_now_ns(), -1, ret, NULL);
	if (in->intake.fd < 0 || !rj_intake_take(&in->intake, &arrival))
		return false;
	*ret = arrival.conn;
	return true;
}

void rj_target_turn_away(struct ramjet_migration *m,
			 const struct ramjet_error *why)
{
	/* All of them are told, and then have so long together. */
	const uint64_t deadline_ns = rj_now_ns() + PART_NS;
	struct rj_conn conns[RJ_INTAKE_MAX];
	unsigned count = 0;

	while (count < RJ_INTAKE_MAX && next_waiting(m->in, &conns[count]))
		rj_refuse_until(&conns[count++], deadline_ns, why, &m->log);
	for (unsigned i = 0; i < count; i++)
		part_with(&conns[i], deadline_ns);
	for (unsigned i = 0; i < count; i++)
		(void)rj_conn_close(&conns[i], 0, NULL);
}
