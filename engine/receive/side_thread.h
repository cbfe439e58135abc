/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_RECEIVE_SIDE_THREAD_H
#define RJ_ENGINE_RECEIVE_SIDE_THREAD_H
/*
 * A thread beside a worker, on the worker's CPUs, that does some of its work
 * where there is a CPU to spare. What it is to do lies in the struct this one
 * is part of, under the same lock.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/clock.h"
#include "util/mutex.h"

struct rj_side_thread {
	struct rj_mutex lock;   /* lock order: 8 */
	pthread_cond_t changed; /* something to do, nothing left, or stop */
	bool stop RJ_GUARDED_BY(lock);
	_Atomic uint64_t cpu_us; /* written by the thread alone */
	pthread_t thread;
	bool started;
};

/* Start a thread "rj/<what>/<worker>" that runs run(argument). 0, or -errno
 * with nothing changed. If limits leave room for one thread only, none is
 * started: the guest may need that one to run. */
RJ_NODISCARD int rj_side_thread_start(struct rj_side_thread *side,
				      const char *what, unsigned worker,
				      void *(*run)(void *), void *argument);
/* Tell run() to end, and wait for it. Safe on a zeroed struct. */
void rj_side_thread_stop(struct rj_side_thread *side);

/* For run(): what it has used so far. Relaxed: it orders nothing. */
static inline void rj_side_thread_count(struct rj_side_thread *side)
{
	atomic_store_explicit(&side->cpu_us, rj_thread_cpu_us(),
			      memory_order_relaxed);
}

/* Any thread. */
static inline uint64_t rj_side_thread_cpu_us(const struct rj_side_thread *side)
{
	return atomic_load_explicit(&side->cpu_us, memory_order_relaxed);
}
#endif
