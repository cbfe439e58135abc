/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/state_out.h"

#include "engine/source/pause_limit.h"

int rj_state_out_piece(const struct rj_state_out *out, enum rj_state_kind kind,
		       const uint8_t *data, size_t bytes, bool more,
		       struct ramjet_error *err)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_STATE,
		.flags = (more ? RJ_FLAG_MORE : 0) |
			 (kind == RJ_STATE_PARTS ? RJ_FLAG_OPTIONAL : 0),
		.aux = kind,
		.payload_bytes = (uint32_t)bytes,
	};

	return rj_link_send(out->link, &frame, data,
			    rj_pause_deadline_ns(out->handover, out->env), err);
}

int rj_state_out_send(const struct rj_state_out *out, enum rj_state_kind kind,
		      const uint8_t *data, size_t bytes,
		      struct ramjet_error *err)
{
	size_t at = 0;
	int rc = 0;

	do {
		const size_t piece = bytes - at < RJ_CONTROL_BODY_MAX
					     ? bytes - at
					     : RJ_CONTROL_BODY_MAX;

		rc = rj_state_out_piece(out, kind, data + at, piece,
					at + piece < bytes, err);
		at += piece;
	} while (!rc && at < bytes);
	return rc;
}
