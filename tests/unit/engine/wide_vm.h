/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_WIDE_VM_H
#define RJ_TESTS_WIDE_VM_H
/*
 * A machine of many blocks, or of very large ones, in private memory or in a
 * memfd. Only what a test writes holds anything; what was written is compared.
 */
#include <stdbool.h>
#include <stdint.h>

#include "ramjet.h"

struct wide_block {
	uint64_t pages;
	bool shared; /* a memfd */
	/* set by wide_vm_init() */
	uint8_t *host;
	int fd;
};

struct wide_vm {
	struct wide_block *blocks;
	unsigned count;
	struct ramjet_guest *guest;
	bool running;
};

/* `blocks` are copied. `tracked`: what is written while it moves is found by
 * the pagemap source. NULL, or what this machine refuses. */
const char *wide_vm_init(struct wide_vm *vm, const struct wide_block *blocks,
			 unsigned count, bool tracked);
/* Safe on a zeroed struct. */
void wide_vm_done(struct wide_vm *vm);
/* A page, of which nothing is zero, and which no other seed gives. */
void wide_vm_write(struct wide_vm *vm, unsigned block, uint64_t page,
		   uint64_t seed);

/* ---- moving one to another ---------------------------------------------- */

struct wide_move {
	struct wide_vm source, target;
	struct ramjet_params params;
	/* Once all could go, before it does; NULL: nothing. */
	void (*meanwhile)(struct wide_vm *source);
	/* set by wide_move() */
	struct ramjet_info *info;
	uint64_t us;
};

/* Over TCP, with `params`: verify is on, and held until `meanwhile` is done.
 * Asserts that all went well. */
void wide_move(struct wide_move *move);
void wide_move_done(struct wide_move *move);
/* The page of both is the same. */
void wide_move_expect(const struct wide_move *move, unsigned block,
		      uint64_t page);
#endif
