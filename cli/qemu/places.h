/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QEMU_PLACES_H
#define RJ_CLI_QEMU_PLACES_H
/*
 * Where RAM blocks lie in a QEMU that doesn't say so itself (before 8). What
 * the guest's address space shows is found through it: `info mtree -f` tells
 * which block, and how far into it, an address shows, `gpa2hva` where that is
 * in QEMU. For the rest there are candidates.
 */
#include "cli/qemu/table.h"

/* Fills in address or candidates of the blocks that have no address. */
RJ_NODISCARD int rj_qemu_places_find(struct rj_qemu *qemu,
				     struct rj_qemu_blocks *blocks,
				     struct ramjet_error *err);
#endif
