/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OUTSIDE_PARTS_H
#define RJ_CLI_OUTSIDE_PARTS_H
/* What is known of a QEMU's blocks, for match.h. */
#include "cli/attach/process.h"
#include "cli/outside/match.h"
#include "cli/qemu/blocks.h"

/*
 * Of the mappings that may be a block, keep those that QEMU made as it makes
 * all of its memory: anonymous, with an inaccessible page behind. Where there
 * is one such mapping of that size, and one block, that is where it lies.
 */
RJ_NODISCARD int rj_qemu_blocks_narrow(pid_t pid, struct rj_qemu_blocks *blocks,
				       struct ramjet_error *err);
/* `blocks`, narrowed. What is in those that may be needed is looked at. */
RJ_NODISCARD int rj_qemu_parts_look(const struct rj_attach_process *process,
				    const struct rj_qemu_blocks *blocks,
				    struct rj_qemu_parts *ret,
				    struct ramjet_error *err);
#endif
