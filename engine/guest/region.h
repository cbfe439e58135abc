/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_GUEST_REGION_H
#define RJ_ENGINE_GUEST_REGION_H
/* A block as the dirty layer sees it. */
#include "engine/guest/guest.h"
#include "ramjet-dirty.h"
#include "util/compiler.h"

static inline struct ramjet_dirty_region rj_block_region(
	const struct rj_block *block)
{
	return (struct ramjet_dirty_region){
		.size = sizeof(struct ramjet_dirty_region),
		.name = block->name,
		.host = block->host,
		.page_count = block->page_count,
		.page_bytes = block->page_bytes,
		.fd = block->fd,
		.fd_offset = block->fd_offset,
		.memory = block->foreign,
		.memory_user = block->foreign_user,
	};
}

/* Some pages of it, as a region. With operations instead of `host`, fd_offset says
 * where in the block that is. */
static inline struct ramjet_dirty_region rj_block_region_part(
	const struct rj_block *block, uint64_t first_page, uint64_t page_count)
{
	struct ramjet_dirty_region region = rj_block_region(block);

	if (region.host)
		region.host += first_page * RAMJET_PAGE_BYTES;
	region.fd_offset += first_page * RAMJET_PAGE_BYTES;
	region.page_count = page_count;
	return region;
}

/* Where missing pages are filled at the first touch, an absent page need not be
 * zero: (*ret)[i] then says why of blocks[i], else it is NULL (dirty/lazy.h).
 * *ret is to be free()d, its strings are static. One call for all blocks, since
 * it takes long. */
RJ_NODISCARD int rj_blocks_look_lazy(const struct rj_block *blocks,
				     unsigned count, const char ***ret,
				     struct ramjet_error *err);
#endif
