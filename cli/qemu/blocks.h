/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_BLOCKS_H
#define RJ_CLI_QEMU_BLOCKS_H
/*
 * A QEMU's RAM blocks: main memory, ROMs, video memory. QEMU says where each
 * lies since version 8. Before that it says so of what the guest's address
 * space shows; of the others only the size is known, and with it the mappings
 * of QEMU's that have exactly that size: candidates, which tell nothing until
 * somebody has compared what is in them. Nothing may be written to a candidate
 * on a guess.
 */
#include "cli/qemu/table.h"

/* *ret is *returned*, for rj_qemu_blocks_done(); all zero is empty. Needs to
 * read /proc/PID/maps for candidates only. */
RJ_NODISCARD int rj_qemu_blocks_look(struct rj_qemu *qemu,
				     struct rj_qemu_blocks *ret,
				     struct ramjet_error *err);
/*
 * -ESTALE, naming the block, when QEMU has other blocks by now: memory was
 * plugged in or out, or a ROM has grown. It is one command, so that it can be
 * asked after `stop`. Before QEMU 8, one that was replaced by another of the
 * same name and size isn't noticed.
 */
RJ_NODISCARD int rj_qemu_blocks_check(struct rj_qemu *qemu,
				      const struct rj_qemu_blocks *before,
				      struct ramjet_error *err);
#endif
