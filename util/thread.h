/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_THREAD_H
#define RJ_UTIL_THREAD_H
/* Threads of a library: named, and with every signal blocked, so that the
 * program's signals go to the program's threads. */
#include <pthread.h>

#include "util/compiler.h"

/* `name` has at most 15 bytes. 0 or -errno. */
RJ_NODISCARD int rj_thread_start(pthread_t *ret, const char *name,
				 void *(*run)(void *), void *argument);
#endif
