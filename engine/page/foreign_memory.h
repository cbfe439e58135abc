/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_FOREIGN_MEMORY_H
#define RJ_ENGINE_PAGE_FOREIGN_MEMORY_H
/*
 * Memory that is not mapped here: the VMM's own operations
 * (include/ramjet-remote.h), behind the seam that all blocks have
 * (engine/guest/memory.h), and in batches for the fast path. Of blocks that have
 * such operations only.
 */
#include "engine/guest/guest.h"

extern const struct rj_memory_ops rj_foreign_memory;

/* The content of all ranges, in order, to `data`, page-aligned. */
RJ_NODISCARD int rj_foreign_read(const struct rj_block *block,
				 const struct ramjet_memory_range *ranges,
				 size_t count, void *data,
				 struct ramjet_error *err);
/* The ranges hold `data` from now on. */
RJ_NODISCARD int rj_foreign_write(const struct rj_block *block,
				  const struct ramjet_memory_range *ranges,
				  size_t count, const void *data,
				  struct ramjet_error *err);
#endif
