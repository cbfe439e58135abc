/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/session.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "engine/guest/own_file.h"
#include "engine/link/hello.h"
#include "engine/link/lanes.h"
#include "engine/source/connections.h"
#include "engine/source/keeps.h"
#include "engine/source/offer.h"
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

static int alloc_senders(struct rj_source_lanes *lanes, unsigned count,
			 struct ramjet_error *err)
{
	lanes->senders = calloc(count, sizeof(*lanes->senders));
	if (!lanes->senders)
		return rj_fail(err, -ENOMEM, "session: out of memory");
	for (unsigned i = 0; i < count; i++)
		lanes->senders[i].conn = (struct rj_conn)RJ_CONN_NONE;
	lanes->channel_count = count;
	return 0;
}

static int answer_of_target(const struct rj_conn *conn,
			    const struct rj_hello *ours,
			    const struct rj_env *env, struct ramjet_error *err)
{
	struct rj_hello theirs;
	int rc = rj_hello_receive(conn, &theirs, rj_env_reply_deadline(env),
				  env->wake_fd, err);

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

static void take_what_there_is(struct rj_channel_plan *plan,
			       const struct rj_env *env)
{
	struct ramjet_error why = { 0 };
	const unsigned count = rj_lanes_available(plan->opened, &why);

	if (count == plan->opened)
		return;
	rj_log(env->log, RJ_LOG_INFO,
	       "channels: %u instead of %u can be had here: %s", count,
	       plan->opened, why.message);
	rj_channel_plan_limit(plan, count);
}

/* The control link; the channels follow once the target says how many. */
static int connect_many(struct rj_source_session *session,
			struct rj_source_lanes *lanes, const struct rj_vmm *vmm,
			const struct rj_env *env, struct ramjet_error *err)
{
	const struct ramjet_params params = rj_env_params(env);
	struct rj_hello *hello = &session->hello;
	const uint64_t deadline_ns = connect_deadline(&params);
	struct rj_reach reach = {
		.channel = RAMJET_CONNECT_CONTROL,
		.deadline_ns = deadline_ns,
	};
	int rc;

	rj_channel_plan_init(&lanes->plan, params.channels);
	if (lanes->plan.automatic)
		take_what_there_is(&lanes->plan, env);
	hello->channel_count = (uint16_t)lanes->plan.opened;
	hello->role = RJ_ROLE_CONTROL;
	reach.channel_count = lanes->plan.opened;
	rc = rj_source_reach(session, &reach, vmm, env, &session->control, err);
	if (!rc)
		rc = rj_hello_send(&session->control, hello, deadline_ns,
				   env->wake_fd, err);
	if (!rc)
		rc = answer_of_target(&session->control, hello, env, err);
	rj_link_init(&session->link, &session->control, env->wake_fd);
	session->link.received = RJ_HELLO_FRAME_BYTES;
	return rc;
}

/* One connection carries everything: both ways, or one way. */
static int connect_one(struct rj_source_session *session,
		       struct rj_source_lanes *lanes, const struct rj_vmm *vmm,
		       const struct rj_env *env, struct ramjet_error *err)
{
	const struct ramjet_params params = rj_env_params(env);
	struct rj_hello *hello = &session->hello;
	const uint64_t deadline_ns = connect_deadline(&params);
	const struct rj_reach reach = {
		.channel = RAMJET_CONNECT_CONTROL,
		.channel_count = 1,
		.deadline_ns = deadline_ns,
	};
	struct rj_conn *conn;
	int rc;

	if (params.channels > 1)
		return rj_fail(err, -EINVAL,
			       "%s: has one channel, %u were asked for",
			       session->uri_text, params.channels);
	rj_channel_plan_init(&lanes->plan, 1);
	rc = alloc_senders(lanes, 1, err);
	if (rc)
		return rc;
	conn = &lanes->senders[0].conn;
	*conn = session->given;
	session->given = (struct rj_conn)RJ_CONN_NONE;
	if (!rj_conn_is_open(conn)) {
		rc = rj_source_reach(session, &reach, vmm, env, conn, err);
		if (!rc)
			rc = rj_stream_claim(vmm->guest, conn, err);
	}
	if (rc)
		return rc;
	rc = rj_conn_begin(conn, err);
	if (rc)
		return rc;
	session->one_way = !rj_conn_is_two_way(conn);
	rj_mailbox_init(&session->outbox, RJ_MAILBOX_ANY_BYTES, -1);
	session->has_outbox = true;
	rj_link_init(&session->link, conn, env->wake_fd);
	session->link.received = RJ_HELLO_FRAME_BYTES;
	hello->channel_count = 1;
	hello->role = session->one_way ? RJ_ROLE_ONE_WAY : RJ_ROLE_BOTH;
	rc = rj_hello_send(conn, hello, deadline_ns, env->wake_fd, err);
	if (!rc && !session->one_way)
		rc = answer_of_target(conn, hello, env, err);
	return rc;
}

/* What the target's VMM must know before memory moves. It is asked for before
 * anybody is disturbed: see rj_session_connect(). */
static int describe(const struct rj_vmm *vmm, void **ret_data,
		    size_t *ret_bytes, struct ramjet_error *err)
{
	int rc = rj_call_describe(vmm, ret_data, ret_bytes, err);

	if (!rc && *ret_bytes > RJ_GUEST_BODY_MAX)
		rc = rj_fail(err, -EMSGSIZE,
			     "guest: describe: %zu bytes, at most %u allowed",
			     *ret_bytes, RJ_GUEST_BODY_MAX);
	return rc;
}

static int send_description(struct rj_source_session *session, const void *data,
			    size_t bytes, const struct rj_env *env,
			    struct ramjet_error *err)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_GUEST,
		.payload_bytes = (uint32_t)bytes,
	};

	return rj_link_send(&session->link, &frame, data,
			    rj_env_reply_deadline(env), err);
}

static int send_blocks(struct rj_source_session *session,
		       const struct ramjet_guest *guest,
		       const struct rj_env *env, struct ramjet_error *err)
{
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
	return rj_link_send(&session->link, &frame, body,
			    rj_env_reply_deadline(env), err);
}

int rj_session_connect(struct rj_source_session *session,
		       struct rj_source_lanes *lanes, const struct rj_vmm *vmm,
		       const struct rj_env *env, struct ramjet_error *err)
{
	const bool describes = vmm->guest->ops.describe;
	struct rj_hello *hello = &session->hello;
	rj_autofree void *data = NULL;
	size_t bytes = 0;
	int rc = describes ? describe(vmm, &data, &bytes, err) : 0;

	if (rc)
		return rc;
	hello->version_min = hello->version_max = RJ_WIRE_VERSION;
	if (getrandom(hello->session, sizeof(hello->session), 0) !=
		    sizeof(hello->session) ||
	    getrandom(session->commit_token, RJ_COMMIT_BYTES, 0) !=
		    RJ_COMMIT_BYTES)
		return rj_fail_errno(err, -errno, "session: getrandom");
	if (rj_uri_is_multi(session->uri))
		rc = connect_many(session, lanes, vmm, env, err);
	else
		rc = connect_one(session, lanes, vmm, env, err);
	if (!rc && describes)
		rc = send_description(session, data, bytes, env, err);
	if (!rc)
		rc = rj_offer_send(session, env, err);
	if (!rc)
		rc = rj_source_ask_keeps(session, env, err);
	return rc ? rc : send_blocks(session, vmm->guest, env, err);
}

int rj_session_open_channels(struct rj_source_session *session,
			     struct rj_source_lanes *lanes,
			     const struct rj_vmm *vmm, const struct rj_env *env,
			     struct ramjet_error *err)
{
	const struct ramjet_params params = rj_env_params(env);
	const uint64_t deadline_ns = connect_deadline(&params);
	struct rj_hello hello = session->hello;
	struct rj_reach reach = {
		.channel_count = session->accepted_channels,
		.deadline_ns = deadline_ns,
	};
	int rc;

	if (!rj_uri_is_multi(session->uri))
		return 0;
	rj_channel_plan_limit(&lanes->plan, session->accepted_channels);
	rc = alloc_senders(lanes, session->accepted_channels, err);
	hello.role = RJ_ROLE_DATA;
	hello.channel_count = session->accepted_channels;
	for (unsigned i = 0; !rc && i < lanes->channel_count; i++) {
		struct rj_conn *conn = &lanes->senders[i].conn;

		hello.channel_index = (uint16_t)i;
		reach.channel = (int)i;
		rc = rj_source_reach(session, &reach, vmm, env, conn, err);
		if (!rc)
			rc = rj_hello_send(conn, &hello, deadline_ns,
					   env->wake_fd, err);
		if (rc)
			rj_error_prefix(err, "channel %u", i);
	}
	return rc;
}

/* What a target may say before it is read: a few words each round. Chosen: at 40
 * bytes a round, more than two minutes of a control thread that does not read. */
#define KEPT_BYTES_MAX (1u << 20)

void rj_session_keep_link(struct rj_source_session *session,
			  const struct rj_env *env)
{
	struct ramjet_error err = { 0 };

	if (session->control_may_return &&
	    rj_rejoin_control_begin(&session->rejoin, session->uri,
				    &session->control, &session->hello,
				    session->reconnect_ms, env))
		rj_link_keeper_may_return(&session->keeper, &session->link,
					  &session->rejoin.resume,
					  &session->rejoin.way);
	/* Without a keeper the control thread answers PING, when it has
	 * time. */
	if (rj_link_keeper_start(&session->keeper, &session->link,
				 env->event_fd, KEPT_BYTES_MAX, &err))
		rj_log(env->log, RJ_LOG_WARNING, "%s", err.message);
}
