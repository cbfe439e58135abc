/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/foreign_memory.h"

#include <string.h>

#include "engine/page/zero.h"
#include "util/error.h"

/* Chosen: pages that are looked at, or cleared, with one call. */
#define CLEAR_PAGES 16u

/* Nobody writes it. Not const, so that it takes no room in the library. */
static _Alignas(
	RAMJET_PAGE_BYTES) uint8_t zeros[CLEAR_PAGES * RAMJET_PAGE_BYTES];

/* What came of a call: 0, or its error with the block's name. */
static int came(const struct rj_block *block, const char *what, int rc,
		struct ramjet_error *own, struct ramjet_error *err)
{
	if (rj_likely(!rc))
		return 0;
	rc = rj_callback_result(own, what, rc);
	return rj_fail(err, rc, "block %s: its memory (%s): %s", block->name,
		       block->foreign->name, own->message);
}

static int lacks(const struct rj_block *block, const char *what,
		 struct ramjet_error *err)
{
	return rj_fail(err, -EINVAL,
		       "block %s: its memory (%s) has no operation `%s`",
		       block->name, block->foreign->name, what);
}

int rj_foreign_read(const struct rj_block *block,
		    const struct ramjet_memory_range *ranges, size_t count,
		    void *data, struct ramjet_error *err)
{
	struct ramjet_error own = { 0 };

	if (!block->foreign->read)
		return lacks(block, "read", err);
	return came(block, "read",
		    block->foreign->read(block->foreign_user, ranges, count,
					 data, &own),
		    &own, err);
}

int rj_foreign_write(const struct rj_block *block,
		     const struct ramjet_memory_range *ranges, size_t count,
		     const void *data, struct ramjet_error *err)
{
	struct ramjet_error own = { 0 };

	if (!block->foreign->write)
		return lacks(block, "write", err);
	return came(block, "write",
		    block->foreign->write(block->foreign_user, ranges, count,
					  data, &own),
		    &own, err);
}

static struct ramjet_memory_range range_of(uint64_t page, uint64_t count)
{
	return (struct ramjet_memory_range){ page * RAMJET_PAGE_BYTES,
					     count * RAMJET_PAGE_BYTES };
}

static const uint8_t *look(const struct rj_block *block, uint64_t page,
			   uint32_t count, uint8_t *scratch,
			   struct ramjet_error *err)
{
	const struct ramjet_memory_range range = range_of(page, count);

	return rj_foreign_read(block, &range, 1, scratch, err) ? NULL : scratch;
}

static int write_pages(const struct rj_block *block, uint64_t page,
		       uint32_t count, const uint8_t *data,
		       struct ramjet_error *err)
{
	const struct ramjet_memory_range range = range_of(page, count);

	return rj_foreign_write(block, &range, 1, data, err);
}

/* Zeros to those of up to CLEAR_PAGES that hold something; to all, where nobody
 * can tell. */
static int overwrite(const struct rj_block *block, uint64_t page,
		     uint32_t count, struct ramjet_error *err)
{
	_Alignas(RAMJET_PAGE_BYTES)
		uint8_t content[CLEAR_PAGES * RAMJET_PAGE_BYTES];
	const struct ramjet_memory_range all = range_of(page, count);
	struct ramjet_memory_range wanted[CLEAR_PAGES];
	size_t found = 0;
	int rc;

	if (!block->foreign->read)
		return rj_foreign_write(block, &all, 1, zeros, err);
	rc = rj_foreign_read(block, &all, 1, content, err);
	for (uint32_t i = 0; !rc && i < count; i++)
		if (!rj_page_is_zero(content + i * RAMJET_PAGE_BYTES))
			wanted[found++] = range_of(page + i, 1);
	return rc || !found
		       ? rc
		       : rj_foreign_write(block, wanted, found, zeros, err);
}

static int clear(const struct rj_block *block, uint64_t page, uint32_t count,
		 struct ramjet_error *err)
{
	const struct ramjet_memory_range range = range_of(page, count);
	struct ramjet_error own = { 0 };
	int rc = 0;

	if (block->foreign->clear)
		return came(block, "clear",
			    block->foreign->clear(block->foreign_user, &range,
						  1, &own),
			    &own, err);
	while (!rc && count) {
		const uint32_t some = count < CLEAR_PAGES ? count : CLEAR_PAGES;

		rc = overwrite(block, page, some, err);
		page += some;
		count -= some;
	}
	return rc;
}

const struct rj_memory_ops rj_foreign_memory = {
	.name = "foreign",
	.look = look,
	.write = write_pages,
	.clear = clear,
};
