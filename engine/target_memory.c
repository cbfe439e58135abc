/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/target_memory.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "dirty/populated.h"
#include "engine/region.h"
#include "engine/zero.h"
#include "util/error.h"

#define PIECE_PAGES \
	(UINT64_C(4) << 20) /* 16 GiB: whole huge pages of any size */

int rj_target_memory_init(struct rj_target_memory *memory,
			  const struct rj_block *blocks, unsigned block_count,
			  struct ramjet_error *err)
{
	int rc = 0;

	*memory = (struct rj_target_memory){
		.blocks = blocks,
		.block_count = block_count,
		.received = calloc(block_count, sizeof(struct rj_bitmap)),
		.first_touch =
			calloc(block_count, sizeof(struct rj_first_touch)),
	};
	if (!memory->received || !memory->first_touch)
		return rj_fail(err, -ENOMEM, "target: out of memory");
	for (unsigned i = 0; !rc && i < block_count; i++) {
		rc = rj_bitmap_init(&memory->received[i], blocks[i].page_count,
				    err);
		if (!rc)
			rc = rj_first_touch_init(&memory->first_touch[i],
						 &blocks[i], err);
	}
	return rc;
}

void rj_target_memory_done(struct rj_target_memory *memory)
{
	for (unsigned i = 0; memory->received && i < memory->block_count; i++)
		rj_bitmap_done(&memory->received[i]);
	for (unsigned i = 0; memory->first_touch && i < memory->block_count;
	     i++)
		rj_first_touch_done(&memory->first_touch[i]);
	free(memory->received);
	free(memory->first_touch);
	*memory = (struct rj_target_memory){ 0 };
}

static void zero_page(const struct rj_block *block, uint64_t page)
{
	uint8_t *at = block->host + page * RAMJET_PAGE_BYTES;

	if (!rj_page_is_zero(at))
		memset(at, 0, RAMJET_PAGE_BYTES);
}

static bool is_awake(int wake_fd)
{
	struct pollfd wake = { .fd = wake_fd, .events = POLLIN };

	return wake_fd >= 0 && poll(&wake, 1, 0) > 0;
}

/* Zero pages [first, first + count) that have their bit set. False: given up,
 * wake_fd (-1: none) is readable. */
static bool zero_marked(const struct rj_block *block,
			const struct rj_bitmap *marked, uint64_t first,
			uint64_t count, int wake_fd)
{
	const uint64_t end = first + count;
	uint64_t page = first;

	while (page < end) {
		const uint64_t chunk = page / RJ_CHUNK_PAGES;
		const uint64_t found = rj_bitmap_next_chunk(
			marked, chunk, (end - 1) / RJ_CHUNK_PAGES + 1);

		if (found > chunk) {
			page = found * RJ_CHUNK_PAGES;
			continue;
		}
		if (page % RJ_CHUNK_PAGES == 0 && is_awake(wake_fd))
			return false;
		if (rj_bitmap_test(marked, page))
			zero_page(block, page);
		page++;
	}
	return true;
}

static int clear_piece(const struct rj_block *block, int wake_fd,
		       struct ramjet_error *err)
{
	const struct ramjet_dirty_region region = rj_block_region(block);
	enum rj_populated_method method;
	struct rj_bitmap populated = { 0 };
	const char *reason;
	int rc;

	rc = rj_bitmap_init(&populated, block->page_count, err);
	if (!rc)
		rc = rj_populated_scan(&region, &populated, &method, &reason,
				       err);
	if (!rc &&
	    !zero_marked(block, &populated, 0, block->page_count, wake_fd))
		rc = rj_fail_errno(err, -ECANCELED, "block %s: clearing it",
				   block->name);
	rj_bitmap_done(&populated);
	return rc;
}

/* Terabytes take a while to be looked through, let alone cleared. */
static int clear_block(const struct rj_block *block, int wake_fd,
		       struct ramjet_error *err)
{
	uint64_t at = 0;
	int rc = 0;

	while (!rc && at < block->page_count) {
		const uint64_t left = block->page_count - at;
		struct rj_block piece = *block;

		piece.host += at * RAMJET_PAGE_BYTES;
		piece.fd_offset += at * RAMJET_PAGE_BYTES;
		piece.page_count = left < PIECE_PAGES ? left : PIECE_PAGES;
		rc = clear_piece(&piece, wake_fd, err);
		at += piece.page_count;
	}
	return rc;
}

int rj_target_memory_clear(struct rj_target_memory *memory, int wake_fd,
			   struct ramjet_error *err)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < memory->block_count; i++)
		if (!(memory->blocks[i].flags & RAMJET_BLOCK_FRESH))
			rc = clear_block(&memory->blocks[i], wake_fd, err);
	return rc;
}

static void place_raw(struct rj_target_memory *memory, unsigned block,
		      const struct rj_wire_run *run, struct rj_scatter *ret)
{
	struct rj_bitmap *received = &memory->received[block];
	const bool untouched =
		!rj_bitmap_test(received, run->page) &&
		rj_first_touch_is_due(&memory->first_touch[block], run->page);

	(void)rj_bitmap_set_run(received, run->page, run->count);
	ret->raw_pages += run->count;
	ret->untouched[ret->count] = untouched;
	ret->untouched_count += untouched;
	ret->iov[ret->count++] = (struct iovec){
		.iov_base = memory->blocks[block].host +
			    run->page * RAMJET_PAGE_BYTES,
		.iov_len = (size_t)run->count * RAMJET_PAGE_BYTES,
	};
}

int rj_target_memory_place(struct rj_target_memory *memory,
			   const struct rj_frame *frame, const uint8_t *table,
			   struct rj_scatter *ret, struct ramjet_error *err)
{
	const struct rj_block *block;
	struct rj_wire_run run = { 0 };
	uint64_t next_page = 0;
	int rc;

	if (frame->block >= memory->block_count)
		return rj_fail(err, -EPROTO,
			       "PAGES frame: block %u, there are %u",
			       frame->block, memory->block_count);
	block = &memory->blocks[frame->block];
	rc = rj_table_check(frame, table, block->page_count, err);
	if (rc) {
		rj_error_prefix(err, "block %s", block->name);
		return rc;
	}
	ret->count = ret->untouched_count = 0;
	ret->raw_pages = ret->zero_pages = 0;
	for (uint32_t i = 0; i < frame->run_count; i++) {
		rc = rj_run_decode(table, i, block->page_count, &next_page,
				   &run, err);
		if (rc)
			return rc;
		if (run.kind == RJ_RUN_ZERO) {
			(void)zero_marked(block,
					  &memory->received[frame->block],
					  run.page, run.count, -1);
			ret->zero_pages += run.count;
			continue;
		}
		place_raw(memory, frame->block, &run, ret);
	}
	return 0;
}
