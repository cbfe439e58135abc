/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_GUEST_MEMORY_H
#define RJ_ENGINE_GUEST_MEMORY_H
/*
 * How the content of a block is reached. Most memory is mapped here, and read and
 * written where it lies; what is not (a disk, memory of another process) has
 * operations of its own. Whatever reads, judges or writes content outside the
 * fast path asks for it through these: engine/page/memory.h. The fast path sends
 * and receives mapped blocks in place; what the VMM reaches by operations of its
 * own goes through memory of the lanes, in batches
 * (engine/page/foreign_memory.h).
 */
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"

struct rj_block;

struct rj_memory_ops {
	const char *name;
	/* The content of `count` pages, to be read: where it lies, or copied into
	 * `scratch`, which has room for it and is page-aligned. It may be written meanwhile. NULL:
	 * an error. */
	const uint8_t *(*look)(const struct rj_block *block, uint64_t page,
			       uint32_t count, uint8_t *scratch,
			       struct ramjet_error *err);
	/* These pages hold `data` from now on. */
	RJ_NODISCARD int (*write)(const struct rj_block *block, uint64_t page,
				  uint32_t count, const uint8_t *data,
				  struct ramjet_error *err);
	/* These pages read as zero from now on; those that do already are not
	 * touched. */
	RJ_NODISCARD int (*clear)(const struct rj_block *block, uint64_t page,
				  uint32_t count, struct ramjet_error *err);
};
#endif
