/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OUTSIDE_WAY_H
#define RJ_CLI_OUTSIDE_WAY_H
/* How the state of a source QEMU's devices is had, and what is got ready for it
 * before the pause. Under guest->lock, all of it. */
#include "cli/outside/guest_parts.h"

/* -EPERM, naming the memory that QEMU would have sent itself, or that it was
 * paused. */
RJ_NODISCARD int rj_qemu_way_choose(struct rj_qemu_guest *guest,
				    struct ramjet_error *err);
/* May it be saved now? -EPERM where its owner has paused it since. */
RJ_NODISCARD int rj_qemu_way_check(const struct rj_qemu_guest *guest,
				   struct ramjet_error *err);
/* QEMU has what it saves to; twice does nothing. */
RJ_NODISCARD int rj_qemu_way_prepare(struct rj_qemu_guest *guest,
				     struct ramjet_error *err);
/* It forgets that; settings stay. */
void rj_qemu_way_forget(struct rj_qemu_guest *guest);
/* And settings are as they were found. */
void rj_qemu_way_end(struct rj_qemu_guest *guest);
#endif
