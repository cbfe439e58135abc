/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qemu/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"

/* Chosen: 256 DIMMs, and some ROMs for each of many devices. */
#define BLOCKS_MAX 4096u

void rj_qemu_blocks_done(struct rj_qemu_blocks *blocks)
{
	for (size_t i = 0; i < blocks->count; i++)
		free(blocks->block[i].candidates);
	free(blocks->block);
	*blocks = (struct rj_qemu_blocks){ 0 };
}

/* "4 KiB" is 4096; 0 where it isn't understood. */
static uint64_t page_bytes(uint64_t number, const char *unit)
{
	static const char units[] = "KMG";
	const char *at = *unit ? strchr(units, *unit) : NULL;

	return at && number <= 1024
		       ? number << (10 * (unsigned)(at - units + 1))
		       : 0;
}

/*
 * A line of `info ramblock`: name, page size, offset in QEMU's own numbering,
 * used and whole size, and since QEMU 8 the host's address:
 *   pc.ram  4 KiB  0x0000000000000000 0x04000000 0x04000000 0x7f...  rw
 */
static bool take_line(const char *line, struct rj_qemu_block *ret)
{
	struct rj_qemu_block block = { 0 };
	uint64_t number, offset;
	char unit[8];
	int fields = sscanf(line,
			    " %255s %" SCNu64 " %7s 0x%" SCNx64 " 0x%" SCNx64
			    " 0x%" SCNx64 " 0x%" SCNx64,
			    block.name, &number, unit, &offset, &block.bytes,
			    &block.bytes_max, &block.address);

	if (fields < 6)
		return false;
	block.page_bytes = page_bytes(number, unit);
	if (!block.page_bytes || block.bytes > block.bytes_max ||
	    !block.bytes_max || block.address + block.bytes_max < block.address)
		return false;
	*ret = block;
	return true;
}

static int add_block(struct rj_qemu_blocks *blocks,
		     const struct rj_qemu_block *block)
{
	struct rj_qemu_block *more;

	if (blocks->count >= BLOCKS_MAX)
		return -EMSGSIZE;
	more = reallocarray(blocks->block, blocks->count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	blocks->block = more;
	more[blocks->count++] = *block;
	return 0;
}

/* The first line is the table's head. */
static int take_table(char *text, struct rj_qemu_blocks *blocks)
{
	char *rest = text, *line = strsep(&rest, "\n");
	int rc = 0;

	if (!line || !strstr(line, "Block Name"))
		return -EPROTO;
	while (!rc && (line = strsep(&rest, "\n"))) {
		struct rj_qemu_block block;

		if (line[strspn(line, " \r\t")] == '\0')
			continue;
		rc = take_line(line, &block) ? add_block(blocks, &block)
					     : -EPROTO;
	}
	return rc ? rc : blocks->count ? 0 : -EPROTO;
}

int rj_qemu_table_read(struct rj_qemu *q, struct rj_qemu_blocks *ret,
		       struct ramjet_error *err)
{
	rj_autofree char *text = NULL;
	int rc = rj_qemu_human(q, "info ramblock", &text, err);

	if (rc)
		return rc;
	rc = take_table(text, ret);
	if (rc) {
		rj_qemu_blocks_done(ret);
		return rj_fail(err, rc,
			       "qemu %s: info ramblock: not understood, "
			       "wanted a table of RAM blocks",
			       q->path);
	}
	return 0;
}
