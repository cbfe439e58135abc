/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/memory.h"

#include <string.h>

#include "engine/page/zero.h"

static uint8_t *at(const struct rj_block *block, uint64_t page)
{
	return block->host + page * RAMJET_PAGE_BYTES;
}

static const uint8_t *look(const struct rj_block *block, uint64_t page,
			   uint32_t count, uint8_t *scratch,
			   struct ramjet_error *err)
{
	(void)count;
	(void)scratch;
	(void)err;
	return at(block, page);
}

RJ_GUEST_MEMORY static int write_pages(const struct rj_block *block,
				       uint64_t page, uint32_t count,
				       const uint8_t *data,
				       struct ramjet_error *err)
{
	(void)err;
	memcpy(at(block, page), data, (size_t)count * RAMJET_PAGE_BYTES);
	return 0;
}

RJ_GUEST_MEMORY static int clear(const struct rj_block *block, uint64_t page,
				 uint32_t count, struct ramjet_error *err)
{
	(void)err;
	for (uint32_t i = 0; i < count; i++)
		if (!rj_page_is_zero(at(block, page + i)))
			memset(at(block, page + i), 0, RAMJET_PAGE_BYTES);
	return 0;
}

const struct rj_memory_ops rj_mapped_memory = {
	.name = "mapped",
	.look = look,
	.write = write_pages,
	.clear = clear,
};
