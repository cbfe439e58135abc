/* SPDX-License-Identifier: BSD-3-Clause */
/* The source opens a session: connections, hello, the block table. */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "engine/guest/own_file.h"
#include "engine/link/hello.h"
#include "engine/link/lanes.h"
#include "engine/source/outgoing.h"
#include "engine/source/pump.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

static uint64_t connect_deadline(const struct ramjet_params *params)
{
	uint64_t ms = params->connect_timeout_ms;

	if (params->total_timeout_ms && (!ms || params->total_timeout_ms < ms))
		ms = params->total_timeout_ms;
	return ms ? rj_now_ns() + ms * UINT64_C(1000000) : 0;
}

static int alloc_senders(struct rj_outgoing *out, unsigned count,
			 struct ramjet_error *err)
{
	out->lanes.senders = calloc(count, sizeof(*out->lanes.senders));
	if (!out->lanes.senders)
		return rj_fail(err, -ENOMEM, "session: out of memory");
	for (unsigned i = 0; i < count; i++)
		out->lanes.senders[i].conn = (struct rj_conn)RJ_CONN_NONE;
	out->lanes.channel_count = count;
	return 0;
}

static int answer_of_target(struct ramjet_migration *m,
			    const struct rj_conn *conn,
			    const struct rj_hello *ours,
			    struct ramjet_error *err)
{
	struct rj_hello theirs;
	int rc = rj_hello_receive(conn, &theirs, rj_migration_reply_deadline(m),
				  m->wake_fd, err);

	if (rc) {
		rj_error_prefix(err, "target");
		return rc;
	}
	if (memcmp(theirs.session, ours->session, RJ_SESSION_BYTES) ||
	    theirs.role != ours->role ||
	    theirs.channel_count != ours->channel_count ||
	    theirs.version_min != theirs.version_max)
		return rj_fail(err, -EPROTO,
			       "handshake: the target's HELLO does not answer "
			       "ours (role %u, %u channels, versions %u to %u)",
			       theirs.role, theirs.channel_count,
			       theirs.version_min, theirs.version_max);
	return 0;
}

static void take_what_there_is(struct ramjet_migration *m)
{
	struct rj_channel_plan *plan = &m->out->lanes.plan;
	struct ramjet_error why = { 0 };
	const unsigned count = rj_lanes_available(plan->opened, &why);

	if (count == plan->opened)
		return;
	rj_log(&m->log, RJ_LOG_INFO,
	       "channels: %u instead of %u can be had here: %s", count,
	       plan->opened, why.message);
	rj_channel_plan_limit(plan, count);
}

/* The control link; the channels follow once the target says how many. */
static int connect_many(struct ramjet_migration *m,
			const struct ramjet_params *params,
			struct rj_hello *hello, struct ramjet_error *err)
{
	const uint64_t deadline_ns = connect_deadline(params);
	struct rj_outgoing *out = m->out;
	int rc;

	rj_channel_plan_init(&out->lanes.plan, params->channels);
	if (out->lanes.plan.automatic)
		take_what_there_is(m);
	hello->channel_count = (uint16_t)out->lanes.plan.opened;
	hello->role = RJ_ROLE_CONTROL;
	rc = rj_source_reach(m, RAMJET_CONNECT_CONTROL, deadline_ns,
			     &out->session.control, err);
	if (!rc)
		rc = rj_hello_send(&out->session.control, hello, deadline_ns,
				   m->wake_fd, err);
	if (!rc)
		rc = answer_of_target(m, &out->session.control, hello, err);
	rj_link_init(&out->session.link, &out->session.control, m->wake_fd);
	out->session.link.received = RJ_HELLO_FRAME_BYTES;
	return rc;
}

/* One connection carries everything: both ways, or one way. */
static int connect_one(struct ramjet_migration *m,
		       const struct ramjet_params *params,
		       struct rj_hello *hello, struct ramjet_error *err)
{
	const uint64_t deadline_ns = connect_deadline(params);
	struct rj_outgoing *out = m->out;
	struct rj_conn *conn;
	int rc;

	if (params->channels > 1)
		return rj_fail(err, -EINVAL,
			       "%s: has one channel, %u were asked for",
			       m->uri_text, params->channels);
	rj_channel_plan_init(&out->lanes.plan, 1);
	rc = alloc_senders(out, 1, err);
	if (rc)
		return rc;
	conn = &out->lanes.senders[0].conn;
	*conn = out->session.given;
	out->session.given = (struct rj_conn)RJ_CONN_NONE;
	if (!rj_conn_is_open(conn)) {
		rc = rj_source_reach(m, RAMJET_CONNECT_CONTROL, deadline_ns,
				     conn, err);
		if (!rc)
			rc = rj_stream_claim(m->guest, conn, err);
	}
	if (rc)
		return rc;
	rc = rj_conn_begin(conn, err);
	if (rc)
		return rc;
	out->session.one_way = !rj_conn_is_two_way(conn);
	rj_mailbox_init(&out->session.outbox, RJ_MAILBOX_ANY_BYTES, -1);
	out->session.has_outbox = true;
	rj_link_init(&out->session.link, conn, m->wake_fd);
	out->session.link.received = RJ_HELLO_FRAME_BYTES;
	hello->channel_count = 1;
	hello->role = out->session.one_way ? RJ_ROLE_ONE_WAY : RJ_ROLE_BOTH;
	rc = rj_hello_send(conn, hello, deadline_ns, m->wake_fd, err);
	if (!rc && !out->session.one_way)
		rc = answer_of_target(m, conn, hello, err);
	return rc;
}

static int send_blocks(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = m->guest;
	rj_autofree struct rj_wire_block *blocks = NULL;
	rj_autofree uint8_t *body = NULL;
	struct rj_frame frame = { .type = RJ_FRAME_BLOCKS };

	blocks = calloc(guest->block_count, sizeof(*blocks));
	if (!blocks)
		return rj_fail(err, -ENOMEM, "session: out of memory");
	for (unsigned i = 0; i < guest->block_count; i++) {
		const struct rj_block *block = &guest->blocks[i];

		memcpy(blocks[i].name, block->name, sizeof(block->name));
		blocks[i].bytes = block->bytes;
		blocks[i].page_bytes = block->page_bytes;
		blocks[i].kind = block->kind;
	}
	frame.payload_bytes =
		(uint32_t)rj_blocks_encode(blocks, guest->block_count, NULL);
	body = malloc(frame.payload_bytes);
	if (!body)
		return rj_fail(err, -ENOMEM, "session: out of memory");
	(void)rj_blocks_encode(blocks, guest->block_count, body);
	return rj_link_send(&m->out->session.link, &frame, body,
			    rj_migration_reply_deadline(m), err);
}

int rj_source_connect(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct ramjet_params params = rj_migration_params(m);
	struct rj_hello *hello = &m->out->session.hello;
	int rc;

	hello->version_min = hello->version_max = RJ_WIRE_VERSION;
	if (getrandom(hello->session, sizeof(hello->session), 0) !=
		    sizeof(hello->session) ||
	    getrandom(m->out->session.commit_token, RJ_COMMIT_BYTES, 0) !=
		    RJ_COMMIT_BYTES)
		return rj_fail_errno(err, -errno, "session: getrandom");
	if (rj_uri_is_multi(&m->uri))
		rc = connect_many(m, &params, hello, err);
	else
		rc = connect_one(m, &params, hello, err);
	return rc ? rc : send_blocks(m, err);
}

int rj_source_wait_accept(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_outgoing *out = m->out;
	const uint64_t timeout_ns =
		rj_migration_params(m).reply_timeout_ms * UINT64_C(1000000);
	const uint64_t began_ns = rj_now_ns();
	int rc = 0;

	out->session.talk.one_way = out->session.one_way;
	out->forecast.one_way = out->session.one_way;
	if (out->session.one_way)
		rj_talk_said(&out->session.talk, RJ_FRAME_ACCEPT);
	while (!rc && !rj_talk_has(&out->session.talk, RJ_TALK_ROUNDS)) {
		if (timeout_ns && rj_now_ns() - began_ns > timeout_ns)
			return rj_fail(
				err, -ETIMEDOUT,
				"target: did not accept the session "
				"within %llu ms",
				(unsigned long long)(timeout_ns / 1000000));
		rc = rj_source_pump(m->out, 100, err);
	}
	return rc;
}

int rj_source_open_channels(struct ramjet_migration *m,
			    struct ramjet_error *err)
{
	const struct ramjet_params params = rj_migration_params(m);
	const uint64_t deadline_ns = connect_deadline(&params);
	struct rj_outgoing *out = m->out;
	struct rj_hello hello = out->session.hello;
	int rc;

	if (!rj_uri_is_multi(&m->uri))
		return 0;
	rj_channel_plan_limit(&out->lanes.plan, out->session.accepted_channels);
	rc = alloc_senders(out, out->session.accepted_channels, err);
	hello.role = RJ_ROLE_DATA;
	hello.channel_count = out->session.accepted_channels;
	for (unsigned i = 0; !rc && i < out->lanes.channel_count; i++) {
		struct rj_conn *conn = &out->lanes.senders[i].conn;

		hello.channel_index = (uint16_t)i;
		rc = rj_source_reach(m, (int)i, deadline_ns, conn, err);
		if (!rc)
			rc = rj_hello_send(conn, &hello, deadline_ns,
					   m->wake_fd, err);
		if (rc)
			rj_error_prefix(err, "channel %u", i);
	}
	return rc;
}

/* What a target may say before it is read: a few words each round. Chosen: at 40
 * bytes a round, more than two minutes of a control thread that does not read. */
#define KEPT_BYTES_MAX (1u << 20)

void rj_source_keep_link(struct ramjet_migration *m)
{
	struct ramjet_error err = { 0 };

	/* Without a keeper the control thread answers PING, when it has
	 * time. */
	if (rj_link_keeper_start(&m->out->session.keeper, &m->out->session.link,
				 m->event_fd, KEPT_BYTES_MAX, &err))
		rj_log(&m->log, RJ_LOG_WARNING, "%s", err.message);
}
