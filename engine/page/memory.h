/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_MEMORY_H
#define RJ_ENGINE_PAGE_MEMORY_H
/* The content of a block's pages, wherever it is: see engine/guest/memory.h. */
#include "engine/guest/guest.h"
#include "engine/guest/memory.h"
#include "engine/page/foreign_memory.h"

/* Memory that is mapped into this process: what a block has that names nothing
 * else, and is not the VMM's to reach. */
extern const struct rj_memory_ops rj_mapped_memory;

static inline const struct rj_memory_ops *rj_block_memory(
	const struct rj_block *block)
{
	if (rj_unlikely(block->foreign != NULL))
		return &rj_foreign_memory;
	return block->memory ? block->memory : &rj_mapped_memory;
}

static inline const uint8_t *rj_pages_look(const struct rj_block *block,
					   uint64_t page, uint32_t count,
					   uint8_t *scratch,
					   struct ramjet_error *err)
{
	return rj_block_memory(block)->look(block, page, count, scratch, err);
}

RJ_NODISCARD static inline int rj_pages_write(const struct rj_block *block,
					      uint64_t page, uint32_t count,
					      const uint8_t *data,
					      struct ramjet_error *err)
{
	return rj_block_memory(block)->write(block, page, count, data, err);
}

RJ_NODISCARD static inline int rj_pages_clear(const struct rj_block *block,
					      uint64_t page, uint32_t count,
					      struct ramjet_error *err)
{
	return rj_block_memory(block)->clear(block, page, count, err);
}
#endif
