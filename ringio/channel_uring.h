/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_CHANNEL_URING_H
#define RJ_RINGIO_CHANNEL_URING_H
/* The io_uring backend. */
#include "ramjet.h"
#include "util/compiler.h"

struct rj_channel;

/* As rj_channel_syscalls_new(). Fails where the kernel refuses a ring, and the
 * message says why. */
RJ_NODISCARD int rj_channel_uring_new(struct rj_channel **ret,
				      struct ramjet_error *err);
#endif
