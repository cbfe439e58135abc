/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qemu/blocks.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/qemu/places.h"
#include "util/error.h"

static bool all_placed(const struct rj_qemu_blocks *blocks)
{
	for (size_t i = 0; i < blocks->count; i++)
		if (!blocks->block[i].address)
			return false;
	return true;
}

int rj_qemu_blocks_look(struct rj_qemu *q, struct rj_qemu_blocks *ret,
			struct ramjet_error *err)
{
	struct rj_qemu_blocks blocks = { 0 };
	int rc = rj_qemu_table_read(q, &blocks, err);

	if (!rc && !all_placed(&blocks))
		rc = rj_qemu_places_find(q, &blocks, err);
	if (rc) {
		rj_qemu_blocks_done(&blocks);
		return rc;
	}
	*ret = blocks;
	return 0;
}

static int compare(const struct rj_qemu *q, const struct rj_qemu_block *before,
		   const struct rj_qemu_block *now, struct ramjet_error *err)
{
	if (strcmp(before->name, now->name))
		return rj_fail(err, -ESTALE,
			       "qemu %s: RAM block '%s' stands where '%s' was, "
			       "wanted the same memory until the end",
			       q->path, now->name, before->name);
	if (before->bytes != now->bytes ||
	    before->bytes_max != now->bytes_max ||
	    before->page_bytes != now->page_bytes)
		return rj_fail(err, -ESTALE,
			       "qemu %s: RAM block '%s' has %" PRIu64
			       " of %" PRIu64 " bytes, had %" PRIu64
			       " of %" PRIu64 ", wanted no change",
			       q->path, now->name, now->bytes, now->bytes_max,
			       before->bytes, before->bytes_max);
	/* Known by QEMU's word in both, or not to be compared. */
	if (now->address && before->address != now->address)
		return rj_fail(err, -ESTALE,
			       "qemu %s: RAM block '%s' has been replaced, "
			       "wanted the same memory until the end",
			       q->path, now->name);
	return 0;
}

int rj_qemu_blocks_check(struct rj_qemu *q, const struct rj_qemu_blocks *before,
			 struct ramjet_error *err)
{
	struct rj_qemu_blocks now = { 0 };
	int rc = rj_qemu_table_read(q, &now, err);

	for (size_t i = 0; !rc && i < before->count && i < now.count; i++)
		rc = compare(q, &before->block[i], &now.block[i], err);
	if (!rc && now.count != before->count)
		rc = rj_fail(err, -ESTALE,
			     "qemu %s: %zu RAM blocks, had %zu, wanted the "
			     "same memory until the end",
			     q->path, now.count, before->count);
	rj_qemu_blocks_done(&now);
	return rc;
}
