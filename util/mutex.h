/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_MUTEX_H
#define RJ_UTIL_MUTEX_H
/* A mutex clang's thread safety analysis understands. Failing to lock is a
 * broken program, so it aborts. Lock order: docs/threading.md. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "util/compiler.h"

struct RJ_CAPABILITY("mutex") rj_mutex {
	pthread_mutex_t m;
};
#define RJ_MUTEX_INIT                     \
	{                                 \
		PTHREAD_MUTEX_INITIALIZER \
	}

static inline void rj_mutex_init(struct rj_mutex *mutex)
{
	if (pthread_mutex_init(&mutex->m, NULL))
		abort();
}

static inline void rj_mutex_done(struct rj_mutex *mutex)
{
	(void)pthread_mutex_destroy(&mutex->m);
}

static inline void rj_lock(struct rj_mutex *mutex) RJ_ACQUIRES(*mutex) RJ_NO_TSA
{
	if (pthread_mutex_lock(&mutex->m))
		abort();
}

static inline void rj_unlock(struct rj_mutex *mutex)
	RJ_RELEASES(*mutex) RJ_NO_TSA
{
	if (pthread_mutex_unlock(&mutex->m))
		abort();
}

/* A condition that times out on the monotonic clock. */
static inline void rj_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	if (pthread_condattr_init(&attr) ||
	    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) ||
	    pthread_cond_init(cond, &attr))
		abort();
	(void)pthread_condattr_destroy(&attr);
}

static inline void rj_cond_wait(pthread_cond_t *cond, struct rj_mutex *mutex)
	RJ_REQUIRES(*mutex)
{
	(void)pthread_cond_wait(cond, &mutex->m);
}

/* Returns 0, or ETIMEDOUT at `deadline_ns` (rj_now_ns() scale). */
static inline int rj_cond_wait_until(pthread_cond_t *cond,
				     struct rj_mutex *mutex,
				     uint64_t deadline_ns) RJ_REQUIRES(*mutex)
{
	struct timespec at = {
		.tv_sec = (time_t)(deadline_ns / 1000000000u),
		.tv_nsec = (long)(deadline_ns % 1000000000u),
	};

	return pthread_cond_timedwait(cond, &mutex->m, &at);
}
#endif
