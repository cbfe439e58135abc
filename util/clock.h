/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_CLOCK_H
#define RJ_UTIL_CLOCK_H
#include <stdint.h>
#include <time.h>

static inline uint64_t rj_clock_ns(clockid_t id)
{
	struct timespec now;

	(void)clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Monotonic time, for durations only. */
static inline uint64_t rj_now_ns(void)
{
	return rj_clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t rj_now_us(void)
{
	return rj_now_ns() / 1000;
}

/* CPU time the calling thread has used. */
static inline uint64_t rj_thread_cpu_us(void)
{
	return rj_clock_ns(CLOCK_THREAD_CPUTIME_ID) / 1000;
}
#endif
