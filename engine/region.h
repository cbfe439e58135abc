/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_REGION_H
#define RJ_ENGINE_REGION_H
/* A block as the dirty layer sees it. */
#include "engine/guest.h"

static inline struct ramjet_dirty_region rj_block_region(
	const struct rj_block *block)
{
	return (struct ramjet_dirty_region){
		.name = block->name,
		.host = block->host,
		.page_count = block->page_count,
		.page_bytes = block->page_bytes,
		.fd = block->fd,
		.fd_offset = block->fd_offset,
	};
}
#endif
