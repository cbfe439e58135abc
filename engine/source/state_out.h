/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_STATE_OUT_H
#define RJ_ENGINE_SOURCE_STATE_OUT_H
/* State of any kind, in pieces, on the control link. The control thread's. */
#include "engine/link/link.h"
#include "engine/migration/env.h"

struct rj_handover;

/* Where it goes, and until when it may. */
struct rj_state_out {
	struct rj_link *link;
	const struct rj_handover *handover;
	const struct rj_env *env;
};

/* A piece of at most RJ_CONTROL_BODY_MAX. */
RJ_NODISCARD int rj_state_out_piece(const struct rj_state_out *out,
				    enum rj_state_kind kind,
				    const uint8_t *data, size_t bytes,
				    bool more, struct ramjet_error *err);
/* All of it. */
RJ_NODISCARD int rj_state_out_send(const struct rj_state_out *out,
				   enum rj_state_kind kind, const uint8_t *data,
				   size_t bytes, struct ramjet_error *err);
#endif
