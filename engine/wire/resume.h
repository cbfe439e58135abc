/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_WIRE_RESUME_H
#define RJ_ENGINE_WIRE_RESUME_H
/* Bodies of what is agreed about lost connections, and of what is said when
 * the control link is connected anew. */
#include "engine/wire/wire.h"

/* KEEPS: what the sender would go on without, and for how long. */
#define RJ_KEEPS_LANES   (1u << 0) /* lanes may be lost, and return */
#define RJ_KEEPS_CONTROL (1u << 1) /* the control link may be resumed */
struct rj_keeps {
	uint32_t reconnect_ms; /* from the loss on; 0: not at all */
	uint32_t features;     /* also those that this side does not know */
};
void rj_keeps_encode(const struct rj_keeps *keeps, uint8_t out[RJ_KEEPS_BYTES]);
RJ_NODISCARD int rj_keeps_decode(const uint8_t *in, size_t bytes,
				 struct rj_keeps *ret,
				 struct ramjet_error *err);

/* RESUME: frames that were received whole on this conversation, whatever
 * connection they came on; without HELLO, RESUME, HEARD, PING and PONG. */
void rj_resume_encode(uint64_t heard, uint8_t out[RJ_RESUME_BYTES]);
RJ_NODISCARD int rj_resume_decode(const uint8_t *in, size_t bytes,
				  uint64_t *ret_heard,
				  struct ramjet_error *err);

/* HEARD has the same count alone, a u64, while the link lasts. */
#endif
