/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_THREAD_H
#define RJ_UTIL_THREAD_H
/*
 * Threads of a library: named, and whatever their maker has, of the policy
 * SCHED_OTHER, with a stack of their own size, and with every signal blocked
 * but those that a fault of the thread itself raises: the program's signals go
 * to the program's threads, and a bad page to the program's own handler.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "ramjet.h"
#include "util/compiler.h"

#define RJ_THREAD_STACK_BYTES ((size_t)512 << 10)
/* Where whole operations of the VMM run. */
#define RJ_THREAD_CALLBACK_STACK_BYTES ((size_t)2 << 20)

struct rj_thread_options {
	const char *name;   /* at most 15 bytes */
	size_t stack_bytes; /* 0: RJ_THREAD_STACK_BYTES */
	bool detached;
};

/* 0 or -errno. */
RJ_NODISCARD int rj_thread_start_as(pthread_t *ret,
				    const struct rj_thread_options *options,
				    void *(*run)(void *), void *argument);
RJ_NODISCARD int rj_thread_start(pthread_t *ret, const char *name,
				 void *(*run)(void *), void *argument);
/* As rj_fail_errno(), of a thread that did not start; names the limits that
 * may be the reason. */
RJ_COLD RJ_PRINTF(3, 4) int rj_thread_fail(struct ramjet_error *err, int rc,
					   const char *format, ...);
/* The limits alone, as read from below `root` ("" for the real ones):
 * " (ulimit -u: 100, pids.max: 6)". */
void rj_thread_limits(const char *root, char *text, size_t size);

/* Whose thread the calling one is: what it, or the thread that made it, was
 * last given to. NULL: nobody's, as all threads that are not ours. */
void rj_thread_give_to(const void *owner);
const void *rj_thread_owner(void);

/* The mask of our threads. */
void rj_thread_mask(sigset_t *ret);
#endif
