/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_POPULATE_AHEAD_H
#define RJ_ENGINE_POPULATE_AHEAD_H
/*
 * A thread beside a receive worker, which populates what the worker is about
 * to receive into: the table of a frame announces it, and while the first
 * pieces of its pages come in, the later ones are populated. The receive then
 * finds pages where it would have taken faults.
 *
 * It changes how long things take, never what memory holds: whatever it does
 * not get done, the receive does.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "util/compiler.h"
#include "util/mutex.h"

/* The first of a frame is left to the receive, which is there already. */
#define RJ_POPULATE_PIECE_BYTES ((size_t)128 << 10)
/* Shorter runs are not worth a system call each. */
#define RJ_POPULATE_RUN_BYTES_MIN ((size_t)32 << 10)
/* A frame of 2 MiB has no more of those. */
#define RJ_POPULATE_RUNS_MAX 64u

struct rj_populate_ahead {
	/* Lock order: 10. */
	struct rj_mutex lock;
	pthread_cond_t wanted;
	/* guarded by lock: what is left of the frame at hand */
	struct iovec runs[RJ_POPULATE_RUNS_MAX] RJ_GUARDED_BY(lock);
	unsigned next RJ_GUARDED_BY(lock), end RJ_GUARDED_BY(lock);
	bool stop RJ_GUARDED_BY(lock);

	_Atomic uint64_t cpu_us; /* of the thread; written by it alone */
	pthread_t thread;
	bool started;
};

/* NULL, or why this kernel cannot: static. */
const char *rj_populate_ahead_refusal(void);

/* The thread runs on the CPUs of its caller, the worker. On failure there is
 * none, and offers are in vain. */
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

static inline uint64_t rj_populate_ahead_cpu_us(
	const struct rj_populate_ahead *ahead)
{
	return atomic_load_explicit(&ahead->cpu_us, memory_order_relaxed);
}
#endif
