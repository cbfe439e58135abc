/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/keeps.h"

#include <errno.h>

#include "engine/link/keeps.h"
#include "engine/link/keeps_built.h"
#include "util/error.h"

static enum rj_keeps_way way_of(const struct rj_source_session *session)
{
	if (session->has_outbox)
		return RJ_KEEPS_NONE;
	return session->connector.connect || !rj_conn_is_bare(&session->control)
		       ? RJ_KEEPS_GIVEN
		       : RJ_KEEPS_LISTENS;
}

int rj_source_ask_keeps(struct rj_source_session *session,
			const struct rj_env *env, struct ramjet_error *err)
{
	const struct ramjet_params params = rj_env_params(env);
	const struct rj_frame frame = {
		.type = RJ_FRAME_KEEPS,
		.flags = RJ_FLAG_OPTIONAL,
		.payload_bytes = RJ_KEEPS_BYTES,
	};
	uint8_t body[RJ_KEEPS_BYTES];

	session->keeps = rj_keeps_ours(&params, way_of(session));
	/* A connection of the VMM's own may have no end that we can bring
	 * about. */
	if (way_of(session) == RJ_KEEPS_GIVEN)
		session->keeps.features &= ~RJ_KEEPS_LANES;
	if (!session->keeps.reconnect_ms || !session->keeps.features)
		return 0;
	session->keeps_asked = true;
	rj_keeps_encode(&session->keeps, body);
	return rj_link_send(&session->link, &frame, body,
			    rj_env_reply_deadline(env), err);
}

int rj_source_take_keeps(struct rj_source_session *session,
			 const struct rj_message *message,
			 struct ramjet_error *err)
{
	struct rj_kept kept;
	int rc = rj_keeps_decode(message->payload, message->frame.payload_bytes,
				 &session->their_keeps, err);

	if (rc)
		return rc;
	if (!session->keeps_asked)
		return rj_fail(err, -EPROTO,
			       "a KEEPS frame from the target, which was not "
			       "asked");
	session->keeps_answered = true;
	kept = rj_keeps_settle(&session->keeps, &session->their_keeps);
	session->lanes_may_be_lost = kept.lanes_may_be_lost;
	session->control_may_return = kept.control_may_return;
	session->reconnect_ms = kept.reconnect_ms;
	session->talk.lanes_may_be_lost = kept.lanes_may_be_lost;
	return 0;
}

void rj_source_report_keeps(const struct rj_source_session *session,
			    const struct rj_env *env)
{
	const struct rj_keeps_text text = rj_keeps_describe(
		&session->keeps,
		session->keeps_answered ? &session->their_keeps : NULL,
		way_of(session), "target");

	if (rj_keeps_built())
		rj_env_path(env, "lost connections", text.chosen, text.reason);
}
