/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_OWN_STREAM_H
#define RJ_CLI_QEMU_OWN_STREAM_H
/*
 * Device state by a migration of QEMU's own, into a socket that we read, for a
 * build without xen-save-devices-state. With x-ignore-shared its stream has
 * none of the memory that is shared; of the rest, ROMs, it has what we move as
 * well.
 */
#include "cli/qemu/monitor.h"
#include "cli/qemu/stream.h"

#define RJ_QEMU_OWN_STREAM "ramjet-own-stream"

/* QEMU gets the socket, by that name; our end is *returned*. */
RJ_NODISCARD int rj_qemu_own_stream_give(struct rj_qemu *source, int *ret_fd,
					 struct ramjet_error *err);
/* It migrates, and ends in state 'postmigrate'; or goes on being 'paused'. Closes
 * the socket. */
RJ_NODISCARD int rj_qemu_own_stream_take(struct rj_qemu *source, int *fd,
					 struct rj_qemu_state *ret,
					 struct ramjet_error *err);
#endif
