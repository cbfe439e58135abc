/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_CHANNEL_SYSCALLS_H
#define RJ_RINGIO_CHANNEL_SYSCALLS_H
/* The backend without io_uring. */
#include "ramjet.h"
#include "util/compiler.h"

struct rj_channel;

/* A channel as far as it depends on the backend; channel.c fills in the
 * rest. */
RJ_NODISCARD int rj_channel_syscalls_new(struct rj_channel **ret,
					 struct ramjet_error *err);
#endif
