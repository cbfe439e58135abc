/* SPDX-License-Identifier: BSD-3-Clause */
/* What the target agrees on with the source about lost connections. */
#include "engine/link/keeps.h"
#include "engine/link/keeps_built.h"

#include "engine/target/incoming.h"

static enum rj_keeps_way way_of(const struct rj_incoming *in)
{
	if (!rj_conn_is_open(&in->control))
		return RJ_KEEPS_NONE;
	return in->listener.fd < 0 || !rj_conn_is_bare(&in->control)
		       ? RJ_KEEPS_GIVEN
		       : RJ_KEEPS_LISTENS;
}

int rj_target_take_keeps(struct ramjet_migration *m, struct rj_message *message,
			 struct ramjet_error *err)
{
	const int rc =
		rj_keeps_decode(message->payload, message->frame.payload_bytes,
				&m->in->their_keeps, err);

	m->in->keeps_asked = !rc;
	return rc;
}

static int answer(struct ramjet_migration *m, const struct rj_keeps *ours,
		  struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	const struct rj_kept kept = rj_keeps_settle(ours, &in->their_keeps);
	const struct rj_frame frame = {
		.type = RJ_FRAME_KEEPS,
		.flags = RJ_FLAG_OPTIONAL,
		.payload_bytes = RJ_KEEPS_BYTES,
	};
	uint8_t body[RJ_KEEPS_BYTES];

	in->lanes_may_be_lost = kept.lanes_may_be_lost;
	in->control_may_return = kept.control_may_return;
	in->reconnect_ms = kept.reconnect_ms;
	in->talk.lanes_may_be_lost = kept.lanes_may_be_lost;
	rj_keeps_encode(ours, body);
	return rj_link_send(&in->link, &frame, body,
			    rj_migration_reply_deadline(m), err);
}

int rj_target_answer_keeps(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct ramjet_params params = rj_migration_params(m);
	const enum rj_keeps_way way = way_of(m->in);
	const struct rj_keeps ours = rj_keeps_ours(&params, way);
	const struct rj_keeps_text text = rj_keeps_describe(
		&ours, m->in->keeps_asked ? &m->in->their_keeps : NULL, way,
		"source");

	if (rj_keeps_built())
		rj_env_path(&m->in->env, "lost connections", text.chosen,
			    text.reason);
	/* What is in band, or was asked of an older one, is not answered. */
	if (!m->in->keeps_asked || !ours.features)
		return 0;
	return answer(m, &ours, err);
}
