/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_RECEIVE_POPULATE_AHEAD_H
#define RJ_ENGINE_RECEIVE_POPULATE_AHEAD_H
/*
 * A thread beside a receive worker, which populates what the worker is about
 * to receive into: the table of a frame announces it, and while the first
 * pieces of its pages come in, the later ones are populated. The receive then
 * finds pages where it would have taken faults.
 *
 * It changes how long things take, never what memory holds: whatever it does
 * not get done, the receive does.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "engine/receive/side_thread.h"

/* Figures: decision 018. The first of a frame is left to the receive, which is
 * there already. */
#define RJ_POPULATE_PIECE_BYTES ((size_t)128 << 10)
/* Shorter runs are not worth a system call each. */
#define RJ_POPULATE_RUN_BYTES_MIN ((size_t)32 << 10)
/* A frame of 2 MiB has no more of those. */
#define RJ_POPULATE_RUNS_MAX 64u

struct rj_populate_ahead {
	struct rj_side_thread side;
	/* guarded by side.lock: what is left of the frame at hand */
	struct iovec runs[RJ_POPULATE_RUNS_MAX] RJ_GUARDED_BY(side.lock);
	unsigned next RJ_GUARDED_BY(side.lock), end RJ_GUARDED_BY(side.lock);
};

/* NULL, or why this kernel cannot: static. */
const char *rj_populate_ahead_refusal(void);

/* By the worker. 0 or -errno: then there is no thread, and offers are in
 * vain. */
RJ_NODISCARD int rj_populate_ahead_start(struct rj_populate_ahead *ahead,
					 unsigned worker);
/* Safe on a zeroed struct. */
void rj_populate_ahead_stop(struct rj_populate_ahead *ahead);

/*
 * The worker is going to receive into those iov[0..count) that have untouched[]
 * set, in this order. Takes the place of the frame before. What iov points to
 * must stay mapped until rj_populate_ahead_stop().
 */
void rj_populate_ahead_offer(struct rj_populate_ahead *ahead,
			     const struct iovec *iov, const bool *untouched,
			     unsigned count);
#endif
