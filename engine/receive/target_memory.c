/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/receive/target_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/guest/backing.h"
#include "engine/page/zero.h"
#include "util/error.h"

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
	rj_headroom_init(&memory->headroom, 1);
	/* Until rj_clearing_start() nothing is being cleared. */
	atomic_init(&memory->clearing.over, true);
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
	rj_clearing_stop(&memory->clearing);
	for (unsigned i = 0; memory->received && i < memory->block_count; i++)
		rj_bitmap_done(&memory->received[i]);
	for (unsigned i = 0; memory->first_touch && i < memory->block_count;
	     i++)
		rj_first_touch_done(&memory->first_touch[i]);
	free(memory->received);
	free(memory->first_touch);
	*memory = (struct rj_target_memory){ 0 };
}

RJ_GUEST_MEMORY static void zero_page(const struct rj_block *block,
				      uint64_t page)
{
	uint8_t *at = block->host + page * RAMJET_PAGE_BYTES;

	if (!rj_page_is_zero(at))
		memset(at, 0, RAMJET_PAGE_BYTES);
}

/* Zero pages [first, first + count) that have their bit set. */
static void zero_marked(const struct rj_block *block,
			const struct rj_bitmap *marked, uint64_t first,
			uint64_t count)
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
		if (rj_bitmap_test(marked, page))
			zero_page(block, page);
		page++;
	}
}

int rj_target_memory_clear(struct rj_target_memory *memory,
			   struct ramjet_migration *m, unsigned threads,
			   int event_fd, struct ramjet_error *err)
{
	return rj_clearing_start(&memory->clearing, m, memory->blocks,
				 memory->block_count, memory->received, threads,
				 event_fd, err);
}

/* A zero run: what is neither received nor cleared yet will be cleared. */
static void place_zero(struct rj_target_memory *memory, unsigned block,
		       const struct rj_wire_run *run, struct rj_scatter *ret)
{
	rj_clearing_avoid(&memory->clearing, block, run->page, run->count);
	zero_marked(&memory->blocks[block], &memory->received[block], run->page,
		    run->count);
	ret->zero_pages += run->count;
}

static void place_raw(struct rj_target_memory *memory, unsigned block,
		      const struct rj_wire_run *run, struct rj_scatter *ret)
{
	struct rj_bitmap *received = &memory->received[block];
	const bool untouched =
		!rj_bitmap_test(received, run->page) &&
		rj_first_touch_is_due(&memory->first_touch[block], run->page);

	/* With the bits set it will not be cleared any more; but it may be
	 * being cleared right now. */
	(void)rj_bitmap_set_run(received, run->page, run->count);
	rj_clearing_avoid(&memory->clearing, block, run->page, run->count);
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
	/* Zero runs are read and cleared here, so their file must reach that
	 * far; where raw pages go, the kernel says EFAULT. */
	rc = rj_backing_check(block, 0, block->page_count, err);
	if (rc)
		return rc;
	ret->count = ret->untouched_count = 0;
	ret->raw_pages = ret->zero_pages = 0;
	for (uint32_t i = 0; i < frame->run_count; i++) {
		rc = rj_run_decode(table, i, block->page_count, &next_page,
				   &run, err);
		if (rc)
			return rc;
		if (run.kind == RJ_RUN_ZERO) {
			place_zero(memory, frame->block, &run, ret);
			continue;
		}
		place_raw(memory, frame->block, &run, ret);
	}
	return 0;
}
