/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/migration/last_words.h"

#include <errno.h>

#include "engine/link/link_wait.h"
#include "engine/migration/migration.h"
#include "engine/migration/transitions.h"
#include "util/clock.h"
#include "util/error.h"

/* Chosen. Where a connection broke, the reason is mostly on its way already; the
 * guest runs again meanwhile. A goodbye is worth less: it goes into a socket's
 * buffer, or not. */
#define LISTEN_NS (300 * UINT64_C(1000000))
/* A command that has closed its pipe should end soon: how long it may take. */
#define COMMAND_NS (2 * UINT64_C(1000000000))
#define GOODBYE_NS (50 * UINT64_C(1000000))

static void peer_error(const struct rj_message *message, const char *peer,
		       struct ramjet_error *ret)
{
	*ret = (struct ramjet_error){ 0 };
	if (message->frame.type == RJ_FRAME_CANCEL)
		(void)rj_fail(ret, -ECONNABORTED, "the %s cancelled", peer);
	else if (!rj_failed_decode(message->payload,
				   message->frame.payload_bytes, ret, ret))
		rj_error_prefix(ret, "%s", peer);
}

/* True when our error is that of a connection: the peer may tell more. So it is
 * when a channel finds nobody listening (of a unix socket: no file): a target that
 * failed meanwhile listens no more. */
static bool is_from_connection(int code)
{
	return code == -EPIPE || code == -ECONNRESET || code == -ENODATA ||
	       code == -ECONNABORTED || code == -ENOTCONN ||
	       code == -ECONNREFUSED || code == -ENOENT;
}

int rj_take_last_words(const struct rj_env *env,
		       const struct rj_message *message, const char *peer,
		       struct ramjet_error *err)
{
	struct ramjet_migration *m = env->migration;
	struct ramjet_error theirs;

	peer_error(message, peer, &theirs);
	rj_lock(&m->lock);
	/* A worker may be about to find the connection broken. */
	if (is_from_connection(m->error.code) ||
	    (!m->error.code && rj_state_is_before_commit(m->state)))
		m->error = theirs;
	rj_unlock(&m->lock);
	return rj_fail(err, theirs.code, "%s", theirs.message);
}

void rj_hear_last_words(struct rj_link *link, const struct rj_env *env,
			const char *peer)
{
	const uint64_t deadline_ns = rj_now_ns() + LISTEN_NS;
	struct rj_message message;

	if (!is_from_connection(rj_migration_error(env->migration).code) ||
	    (!rj_conn_is_open(&link->conn) && !link->inbox))
		return;
	link->wake_fd = -1;
	/* The deadline also ends it when messages keep coming. */
	while (rj_now_ns() < deadline_ns &&
	       !rj_link_wait(link, deadline_ns, &message, NULL)) {
		const uint8_t type = message.frame.type;
		const bool says_why =
			type == RJ_FRAME_FAILED || type == RJ_FRAME_CANCEL;

		if (says_why)
			(void)!rj_take_last_words(env, &message, peer, NULL);
		rj_message_done(&message);
		if (says_why)
			return;
	}
}

void rj_hear_command(struct rj_conn *conn, const struct rj_env *env)
{
	struct ramjet_migration *m = env->migration;
	const struct ramjet_error first = rj_migration_error(m);
	struct ramjet_error end = { 0 }, both = { 0 };

	if (!conn->command || !is_from_connection(first.code))
		return;
	if (!rj_conn_finish(conn, rj_now_ns() + COMMAND_NS, -1, &end))
		(void)rj_fail(&end, first.code,
			      "exec: command ended with status 0, wanted the "
			      "whole stream before");
	(void)rj_fail(&both, first.code, "%.240s; %.240s", end.message,
		      first.message);
	rj_lock(&m->lock);
	m->error = both;
	rj_unlock(&m->lock);
}

void rj_say_goodbye(struct rj_link *link, const struct rj_env *env,
		    const struct ramjet_error *error)
{
	struct ramjet_migration *m = env->migration;
	uint8_t body[RJ_FAILED_BYTES_MAX];
	struct rj_frame frame = { .type = RJ_FRAME_CANCEL };

	/* A plain cancel is told as CANCEL; one with a reason as FAILED, which
	 * can carry it. */
	if (!rj_migration_is_cancelled(m) || rj_migration_has_reason(m)) {
		frame.type = RJ_FRAME_FAILED;
		frame.payload_bytes = (uint32_t)rj_failed_encode(error, body);
	}
	link->wake_fd = -1;
	/* In band at a target, the receive worker may be using the link to
	 * answer a PING: leave the link as it is. */
	if (link->outbox)
		link->outbox = NULL;
	(void)!rj_link_send(link, &frame, body, rj_now_ns() + GOODBYE_NS, NULL);
}
