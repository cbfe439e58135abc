/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OUTSIDE_TARGET_H
#define RJ_CLI_OUTSIDE_TARGET_H
/* The QEMU that a guest goes to: what of guest.h is for targets. */
#include "cli/outside/guest_parts.h"

RJ_NODISCARD int rj_qemu_target_open(struct rj_qemu_guest *guest,
				     struct ramjet_error *err);
int rj_qemu_target_accept(void *user, const void *data, size_t bytes,
			  struct ramjet_error *err);
/* The source's guest stands still: its state will come. */
void rj_qemu_target_expect(struct rj_qemu_guest *guest);
int rj_qemu_target_load(void *user, const void *data, size_t bytes,
			struct ramjet_error *err);
int rj_qemu_target_start(struct rj_qemu_guest *guest, struct ramjet_error *err);
/* A session is over, or there will be none: settings are as they were. */
void rj_qemu_target_put_back(struct rj_qemu_guest *guest);
#endif
