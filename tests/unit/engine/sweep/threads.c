/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that do not start, as with a limit of them. */
#include <errno.h>

#include "tests/unit/engine/sweep/fault.h"
#include "util/thread.h"

int __real_rj_thread_start_as(pthread_t *ret,
			      const struct rj_thread_options *options,
			      void *(*run)(void *), void *argument);
int __wrap_rj_thread_start_as(pthread_t *ret,
			      const struct rj_thread_options *options,
			      void *(*run)(void *), void *argument);
int __real_rj_thread_start(pthread_t *ret, const char *name,
			   void *(*run)(void *), void *argument);
int __wrap_rj_thread_start(pthread_t *ret, const char *name,
			   void *(*run)(void *), void *argument);

int __wrap_rj_thread_start_as(pthread_t *ret,
			      const struct rj_thread_options *options,
			      void *(*run)(void *), void *argument)
{
	if (fault_step(FAULT_THREAD) == FAULT_ERROR)
		return -EAGAIN;
	return __real_rj_thread_start_as(ret, options, run, argument);
}

int __wrap_rj_thread_start(pthread_t *ret, const char *name,
			   void *(*run)(void *), void *argument)
{
	if (fault_step(FAULT_THREAD) == FAULT_ERROR)
		return -EAGAIN;
	return __real_rj_thread_start(ret, name, run, argument);
}
