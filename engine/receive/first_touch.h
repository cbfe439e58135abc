/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_RECEIVE_FIRST_TOUCH_H
#define RJ_ENGINE_RECEIVE_FIRST_TOUCH_H
/*
 * How pages come into memory that holds nothing yet.
 *
 * Received into a mapping, an untouched page costs a fault, and is cleared
 * only to be overwritten. Written to the file behind the mapping, it costs
 * neither, and a copy out of the processor's cache instead: less than half,
 * for shared memory with small pages. Other memory is received in place.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "engine/guest/guest.h"
#include "util/mutex.h"

/* The kernel lets one write to a file at a time: one writes, the other receives
 * meanwhile, and all further workers take their faults in parallel (decision
 * 013). */
#define RJ_FIRST_TOUCH_WORKERS 2u

struct rj_first_touch {
	const struct rj_block *block; /* borrowed; immutable after init */
	_Atomic uint8_t *chunks;      /* what is known of each */
	bool by_file;                 /* else in place */
	bool small_pages; /* a fault brings one page, not hundreds */
	const char *why;  /* static: why it is done so */
	_Atomic unsigned workers;
	/* Waiters sleep; on the kernel's own lock they would spin. Lock
	 * order: 9. */
	struct rj_mutex writing;
};

/* Finds out whether writing to block->fd is writing to the block's memory, and
 * worth it. -ENOMEM alone is an error. */
RJ_NODISCARD int rj_first_touch_init(struct rj_first_touch *touch,
				     const struct rj_block *block,
				     struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_first_touch_done(struct rj_first_touch *touch);

/* How all blocks get their first pages: "by file", "in place", "by operations" (not
 * mapped here), or "mixed", and a block that shows why; the first that is not by
 * file, if any. */
struct rj_first_touch_summary {
	const char *chosen;
	const struct rj_first_touch *example;
};
struct rj_first_touch_summary rj_first_touch_summary(
	const struct rj_first_touch *touch, unsigned count);

/* Is there nothing yet around this page, which none came for so far? Any
 * thread. */
bool rj_first_touch_is_due(struct rj_first_touch *touch, uint64_t page);

/* Begin to write to the block's file. False: this block is received in place,
 * or enough workers write to it already. */
bool rj_first_touch_enter(struct rj_first_touch *touch);
void rj_first_touch_leave(struct rj_first_touch *touch);

/* Write `data`, one part after another, to where these lie in the block.
 * Between enter and leave. */
RJ_NODISCARD int rj_first_touch_write(struct rj_first_touch *touch,
				      const struct iovec *parts, unsigned count,
				      const uint8_t *data,
				      struct ramjet_error *err);
#endif
