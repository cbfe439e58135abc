/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_BOUNCE_H
#define RJ_ENGINE_BOUNCE_H
/*
 * A frame's payload comes in, partly through a buffer that stays in the
 * processor's cache: what goes on from there to the block's file
 * (engine/first_touch.h). The rest goes straight into guest memory.
 */
#include "engine/target_memory.h"
#include "ringio/channel.h"

/* Of a processor's second-level cache, this leaves most to others. */
#define RJ_BOUNCE_BYTES ((size_t)512 << 10)

struct rj_bounce {
	uint8_t *buffer; /* RJ_BOUNCE_BYTES, made when first needed */
	struct iovec iov[RJ_RUNS_MAX + 1];
	struct iovec writes[RJ_RUNS_MAX]; /* from the buffer to this memory */
};

void rj_bounce_done(struct rj_bounce *bounce);
/* Receive what `scatter` says into the block, and `next` after it. Errors
 * of the channel leave err empty. */
RJ_NODISCARD int rj_bounce_receive(struct rj_bounce *bounce,
				   struct rj_channel *channel,
				   struct rj_first_touch *touch,
				   const struct rj_scatter *scatter,
				   struct iovec next, struct ramjet_error *err);
#endif
