/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_CHILD_VM_H
#define RJ_TESTS_CHILD_VM_H
/*
 * Memory of another process, which writes it while it runs, and sets bits in a
 * bitmap that is shared with it. Make it before there are threads.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ramjet-remote.h"

enum child_does {
	CHILD_RESTS,
	CHILD_WRITES,
	CHILD_UNMAPS,   /* its last page */
	CHILD_DISCARDS, /* all of it */
	CHILD_DISCARDS_FIRST,
};

struct child_control {
	_Atomic int wanted; /* enum child_does */
	_Atomic int does;
	_Atomic uint64_t written; /* pages */
	_Atomic uint64_t bits[];
};

struct child_vm {
	struct child_control *control;
	size_t control_bytes;
	uint8_t *memory; /* there; here it is another */
	uint64_t bytes;
	pid_t pid;
	struct ramjet_process_memory *process;
	struct ramjet_guest *guest;
	uint64_t first; /* a word of page 0 that never changes */
};

/* Some of its pages are filled, some zero, some untouched, if `seed` is not 0; else
 * nothing is touched. `shared`: others could see the memory. */
void child_vm_init(struct child_vm *vm, uint64_t bytes, uint64_t seed,
		   bool shared);
/* Safe on a zeroed one. */
void child_vm_done(struct child_vm *vm);
/* Returns when it does. */
void child_vm_do(struct child_vm *vm, enum child_does what);
void child_vm_kill(struct child_vm *vm);
/* Its memory, by process_vm_readv(): to be free()d. */
uint8_t *child_vm_content(const struct child_vm *vm);
/* vm->process, and a guest with it as its block "ram". With the bitmap as its
 * dirty source, if `tracked`. */
void child_vm_guest(struct child_vm *vm, bool tracked);
#endif
