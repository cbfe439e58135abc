/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_OPS_MEMORY_H
#define RJ_TESTS_OPS_MEMORY_H
/*
 * Memory that ramjet reaches by a VMM's operations only: guarded memory that it is
 * not told the address of. What it asks is held to the contract, counted, and
 * fails when told to.
 */
#include <stdatomic.h>

#include "ramjet-remote.h"
#include "tests/unit/engine/guarded.h"

enum ops_call {
	OPS_READ,
	OPS_WRITE,
	OPS_CLEAR,
	OPS_POPULATED,
	OPS_CALLS,
};

struct ops_memory {
	const struct guarded *ram; /* borrowed */
	_Atomic unsigned calls[OPS_CALLS];
	_Atomic uint64_t pages[OPS_CALLS];
	unsigned fails_at[OPS_CALLS]; /* that call does; 0: none */
	atomic_bool is_wrong;         /* the contract was not kept */
};

/* All of them; and with what may be missing. Static. */
extern const struct ramjet_memory_ops ops_memory_ops;
extern const struct ramjet_memory_ops ops_memory_bare_ops;
#endif
