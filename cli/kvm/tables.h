/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_TABLES_H
#define RJ_CLI_KVM_TABLES_H
/*
 * The guest's page tables, in guest RAM: virtual address = block offset, so
 * the program sees RAM in one piece whatever the slots are. Pages of 2 MiB
 * throughout, since a target's CPU may lack larger ones; 4 KiB of tables for
 * each GiB. They never change: accessed and dirty bits are set from the start.
 */
#include <stdint.h>

#include "ramjet.h"

struct rj_kvm_tables {
	uint8_t *ram;   /* borrowed; block offset 0 */
	uint64_t bytes; /* of RAM */
	uint64_t first; /* page of RAM the tables begin at: the root */
};

/* Pages the tables for so much RAM take. */
uint64_t rj_kvm_tables_pages(uint64_t bytes);
void rj_kvm_tables_write(const struct rj_kvm_tables *tables);
/* -EBADMSG: the first entry that is not as it was written. */
int rj_kvm_tables_check(const struct rj_kvm_tables *tables,
			struct ramjet_error *err);
#endif
