/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_WAIT_H
#define RJ_RINGIO_WAIT_H
#include <stdint.h>

#include "util/compiler.h"

/*
 * Sleep until `fd` shows any of `events` (POLLIN, POLLOUT) or an error or
 * hang-up, which the next system call on it will name: 0. -ECANCELED when
 * wake_fd is readable, whatever fd shows; -ETIMEDOUT at deadline_ns (rj_now_ns()
 * scale, 0 = none). Either descriptor may be -1 for none.
 */
RJ_NODISCARD int rj_wait_fd(int fd, short events, uint64_t deadline_ns,
			    int wake_fd);
#endif
