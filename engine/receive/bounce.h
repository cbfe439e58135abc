/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_RECEIVE_BOUNCE_H
#define RJ_ENGINE_RECEIVE_BOUNCE_H
/*
 * A frame's payload comes in, partly through a buffer that stays in the
 * processors' shared cache: what goes on from there to the block's file
 * (engine/receive/first_touch.h). The rest goes straight into guest memory. Where
 * there is a CPU to spare, a thread writes one buffer while another is
 * received into (engine/receive/write_behind.h).
 */
#include "engine/receive/target_memory.h"
#include "engine/receive/write_behind.h"
#include "engine/wire/payload_sum.h"
#include "ringio/channel.h"

/* A whole frame: fewer hand-overs pay more than the second-level cache (with 512
 * KiB 1.7 to 1.8 GiB/s, with 2 MiB 1.8 to 2.2: decision 018). */
#define RJ_BOUNCE_BYTES ((size_t)2 << 20)

struct rj_bounce_buffer {
	uint8_t *data;                    /* RJ_BOUNCE_BYTES, or not yet made */
	struct iovec writes[RJ_RUNS_MAX]; /* from there to this memory */
};

struct rj_bounce {
	struct rj_bounce_buffer buffers[2]; /* the second: write-behind only */
	unsigned filling;
	struct iovec iov[RJ_RUNS_MAX + 1];
	struct rj_write_behind behind; /* not started: writes here */
};

/* From the next receive on, a thread writes. 0 or -errno. */
RJ_NODISCARD int rj_bounce_write_behind(struct rj_bounce *bounce,
					unsigned worker);
/* Safe on a zeroed struct. */
void rj_bounce_done(struct rj_bounce *bounce);
/*
 * Receive what `scatter` says into the block, and `next` after it. What goes
 * to the file is there when rj_bounce_flush() has returned. All but `next` is
 * added to `sum` (NULL: none). Errors of the channel leave err empty.
 */
RJ_NODISCARD int rj_bounce_receive(struct rj_bounce *bounce,
				   struct rj_channel *channel,
				   struct rj_first_touch *touch,
				   const struct rj_scatter *scatter,
				   struct iovec next,
				   struct rj_payload_sum *sum,
				   struct ramjet_error *err);
RJ_NODISCARD int rj_bounce_flush(struct rj_bounce *bounce,
				 struct ramjet_error *err);
#endif
