/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/group.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "engine/page/memory.h"
#include "engine/page/run_kinds.h"
#include "engine/page/zstd.h"
#include "engine/page/zstd_frame.h"
#include "engine/page/zstd_version.h"
#include "engine/stats/counters.h"
#include "util/clock.h"
#include "util/error.h"

struct parts {
	struct ramjet_memory_range ranges[RJ_GROUP_PAGES];
	unsigned count;
	uint32_t pages;
	uint64_t end;  /* of the last one, in the block */
	bool adjacent; /* one behind the other in the block */
};

static enum rj_run_group group_of(const struct rj_run_piece *piece)
{
	return rj_run_rows[piece->run.kind].group;
}

static void add_part(struct parts *parts, const struct rj_wire_run *run)
{
	const uint64_t offset = run->page * RAMJET_PAGE_BYTES;

	assert(parts->count < RJ_GROUP_PAGES);
	if (parts->count && parts->end != offset)
		parts->adjacent = false;
	parts->ranges[parts->count++] = (struct ramjet_memory_range){
		offset,
		(uint64_t)run->count * RAMJET_PAGE_BYTES,
	};
	parts->end = offset + (uint64_t)run->count * RAMJET_PAGE_BYTES;
	parts->pages += run->count;
}

static void find_parts(const struct rj_page_codec *codec, unsigned first,
		       struct parts *ret)
{
	ret->count = 0;
	ret->pages = 0;
	ret->adjacent = true;
	add_part(ret, &codec->pieces[first].run);
	for (unsigned i = first + 1; i < codec->piece_count; i++) {
		const struct rj_run_piece *piece = &codec->pieces[i];

		if (group_of(piece) == RJ_GROUP_BEGINS)
			break;
		if (group_of(piece) == RJ_GROUP_JOINS)
			add_part(ret, &piece->run);
	}
	assert(ret->pages <= RJ_GROUP_PAGES);
}

/* The group's first page is named: which of them it is, zstd does not tell. */
static int blame(const struct rj_run_piece *piece, int rc,
		 struct ramjet_error *err)
{
	if (rc)
		rj_error_prefix(err, "block %s, page %llu and its group",
				piece->block->name,
				(unsigned long long)piece->run.page);
	return rc;
}

int rj_group_check(const struct rj_page_codec *codec, unsigned first,
		   struct ramjet_error *err)
{
	const struct rj_run_piece *piece = &codec->pieces[first];
	struct parts parts;

	if (!rj_zstd_version())
		return blame(
			piece,
			rj_fail(err, -EOPNOTSUPP, "this build has no zstd"),
			err);
	find_parts(codec, first, &parts);
	return blame(piece,
		     rj_zstd_frame_check(piece->payload, piece->bytes,
					 parts.pages * RAMJET_PAGE_BYTES, err),
		     err);
}

static int have_means(struct rj_page_codec *codec, struct ramjet_error *err)
{
	if (!codec->group)
		codec->group = aligned_alloc(RAMJET_PAGE_BYTES,
					     (size_t)RJ_GROUP_PAGES *
						     RAMJET_PAGE_BYTES);
	if (!codec->group)
		return rj_fail(err, -ENOMEM, "out of memory");
	return codec->decompressor
		       ? 0
		       : rj_decompressor_new(&codec->decompressor, err);
}

/* From the lane's memory to where they belong. */
static int write_parts(const struct rj_block *block, const struct parts *parts,
		       const uint8_t *pages, struct ramjet_error *err)
{
	int rc = 0;

	if (block->foreign)
		return rj_foreign_write(block, parts->ranges, parts->count,
					pages, err);
	for (unsigned i = 0; !rc && i < parts->count; i++) {
		const struct ramjet_memory_range *range = &parts->ranges[i];

		rc = rj_pages_write(
			block, range->offset / RAMJET_PAGE_BYTES,
			(uint32_t)(range->bytes / RAMJET_PAGE_BYTES), pages,
			err);
		pages += range->bytes;
	}
	return rc;
}

/* As the source counts what it compresses. */
static int decompress(const struct rj_page_codec *codec,
		      const struct rj_run_piece *piece, uint8_t *pages,
		      uint32_t count, struct ramjet_error *err)
{
	struct rj_counters *c = codec->counters;
	const uint64_t began = rj_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	const int rc = rj_decompress(codec->decompressor, piece->payload,
				     piece->bytes, pages, count, err);

	if (!c)
		return rc;
	rj_count(&c->zstd_ns, rj_clock_ns(CLOCK_THREAD_CPUTIME_ID) - began);
	rj_count(&c->zstd_in_bytes, (uint64_t)count * RAMJET_PAGE_BYTES);
	rj_count(&c->zstd_out_bytes, piece->bytes);
	return rc;
}

int rj_group_place(struct rj_page_codec *codec, unsigned first,
		   struct ramjet_error *err)
{
	const struct rj_run_piece *piece = &codec->pieces[first];
	const struct rj_block *block = piece->block;
	uint8_t *pages;
	struct parts parts;
	int rc = have_means(codec, err);

	if (rc)
		return rc;
	find_parts(codec, first, &parts);
	pages = parts.adjacent && rj_block_memory(block) == &rj_mapped_memory
			? block->host + parts.ranges[0].offset
			: codec->group;
	rc = blame(piece, decompress(codec, piece, pages, parts.pages, err),
		   err);
	return rc || pages != codec->group
		       ? rc
		       : write_parts(block, &parts, pages, err);
}
