/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_QEMU_BLOCKS_H
#define RJ_CLI_ATTACH_QEMU_BLOCKS_H
/*
 * A QEMU's RAM blocks: main memory, ROMs, video memory. QEMU says where each
 * lies since version 8. Before that it says so of what the guest's address
 * space shows; of the others only the size is known, and with it the mappings
 * of QEMU's that have exactly that size: candidates, which tell nothing until
 * somebody has compared what is in them. Nothing may be written to a candidate
 * on a guess.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/attach/qemu_monitor.h"

struct rj_qemu_block {
	char name[256];     /* QEMU's idstr: "pc.ram", "/rom@etc/acpi/tables" */
	uint64_t bytes;     /* used: what migrates */
	uint64_t bytes_max; /* what is mapped; a block may grow that far */
	uint64_t page_bytes; /* of its backing: 4096, 2 MiB */
	uint64_t address;    /* in QEMU's address space; 0: see candidates */
	uint64_t *candidates;
	size_t candidates_count;
};

struct rj_qemu_blocks {
	struct rj_qemu_block *block;
	size_t count;
};

/* *ret is *returned*, for rj_qemu_blocks_done(); all zero is empty. Needs to
 * read /proc/PID/maps for candidates only. */
RJ_NODISCARD int rj_qemu_blocks_look(struct rj_qemu *qemu,
				     struct rj_qemu_blocks *ret,
				     struct ramjet_error *err);
void rj_qemu_blocks_done(struct rj_qemu_blocks *blocks);
/* -ESTALE, naming the block, when a later look shows other blocks: memory was
 * plugged in or out, or a ROM has grown. Addresses and candidates count. */
RJ_NODISCARD int rj_qemu_blocks_same(const struct rj_qemu_blocks *before,
				     const struct rj_qemu_blocks *now,
				     struct ramjet_error *err);
#endif
