/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_RECEIVE_WRITE_BEHIND_H
#define RJ_ENGINE_RECEIVE_WRITE_BEHIND_H
/*
 * A thread beside a receive worker, which writes what was received into a
 * buffer to a block's file (engine/receive/first_touch.h) while the worker receives
 * into another. One write at a time.
 */
#include <stdbool.h>

#include "engine/receive/first_touch.h"
#include "engine/receive/side_thread.h"

struct rj_write_job {
	struct rj_first_touch *touch;
	const struct iovec *parts;
	unsigned count;
	const uint8_t *data;
};

struct rj_write_behind {
	struct rj_side_thread side;
	/* guarded by side.lock */
	struct rj_write_job job RJ_GUARDED_BY(side.lock);
	bool busy RJ_GUARDED_BY(side.lock);
	struct ramjet_error failure RJ_GUARDED_BY(side.lock); /* the first */
};

/* By the worker. 0 or -errno. */
RJ_NODISCARD int rj_write_behind_start(struct rj_write_behind *behind,
				       unsigned worker);
/* The last write is done when this returns. Safe on a zeroed struct. */
void rj_write_behind_stop(struct rj_write_behind *behind);

/* When the write before is done, begin this one. All that job points to is
 * borrowed until it is done. An error is of an earlier write. */
RJ_NODISCARD int rj_write_behind_submit(struct rj_write_behind *behind,
					const struct rj_write_job *job,
					struct ramjet_error *err);
/* All is written, or not: the first error. */
RJ_NODISCARD int rj_write_behind_flush(struct rj_write_behind *behind,
				       struct ramjet_error *err);
#endif
