/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OUTSIDE_SOURCE_H
#define RJ_CLI_OUTSIDE_SOURCE_H
/* The QEMU that a guest is taken from: what of guest.h is for sources. */
#include "cli/outside/guest_parts.h"

RJ_NODISCARD int rj_qemu_source_open(struct rj_qemu_guest *guest,
				     struct ramjet_error *err);
RJ_NODISCARD int rj_qemu_source_attach(struct rj_qemu_guest *guest,
				       struct ramjet_error *err);
/* -ESTALE: memory was plugged in or out since it was opened. Under
 * guest->lock. */
RJ_NODISCARD int rj_qemu_source_check_blocks(struct rj_qemu_guest *guest,
					     struct ramjet_error *err);
int rj_qemu_source_describe(void *user, void **ret_data, size_t *ret_bytes,
			    struct ramjet_error *err);
int rj_qemu_source_throttle(void *user, unsigned percent,
			    struct ramjet_error *err);
#endif
