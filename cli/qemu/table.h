/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_TABLE_H
#define RJ_CLI_QEMU_TABLE_H
/* The table of RAM blocks that a QEMU prints. */
#include <stddef.h>
#include <stdint.h>

#include "cli/qemu/monitor.h"

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

void rj_qemu_blocks_done(struct rj_qemu_blocks *blocks);
/* As `info ramblock` lists them: without candidates, and before QEMU 8 without
 * addresses. *ret is *returned*, for rj_qemu_blocks_done(). */
RJ_NODISCARD int rj_qemu_table_read(struct rj_qemu *qemu,
				    struct rj_qemu_blocks *ret,
				    struct ramjet_error *err);
#endif
