/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/staging.h"

#include <assert.h>

#include "engine/page/cut.h"

/* So many of the claim's pages from bit *from on, which moves on, as the
 * batch. */
static void gather(struct rj_staging *staging, const struct rj_claim *claim,
		   uint64_t *from, uint32_t room)
{
	struct rj_run run;

	staging->count = 0;
	while (room &&
	       (run = rj_words_next_run(claim->words, RJ_CHUNK_PAGES, *from))
		       .count) {
		const uint64_t count = run.count < room ? run.count : room;

		staging->ranges[staging->count++] =
			(struct ramjet_memory_range){
				(claim->first_page + run.first) *
					RAMJET_PAGE_BYTES,
				count * RAMJET_PAGE_BYTES,
			};
		*from = run.first + count;
		room -= (uint32_t)count;
	}
}

/* Cut `count` pages, which are the block's from `page` on and lie at `at` in the
 * frame's memory. */
static void add_range(struct rj_deltas *deltas, struct rj_out_frame *frame,
		      unsigned block, uint64_t page, uint32_t at,
		      uint32_t count)
{
	const uint8_t *pages = rj_out_frame_staging(frame, at);
	uint32_t done = 0;

	while (done < count) {
		enum rj_run_kind kind;
		const uint32_t cut =
			rj_page_cut(frame->codec, pages, done, count, &kind);
		const uint32_t added =
			rj_deltas_add(deltas, frame, block,
				      pages + (size_t)done * RAMJET_PAGE_BYTES,
				      page + done, cut, kind);

		/* There is room: rj_out_frame_room() */
		assert(added == cut);
		done += added;
		/* What is zero is not sent from there: the next batch may lie
		 * over it. */
		if (rj_run_row_has_payload(&rj_run_rows[kind]))
			frame->staged_pages = at + done;
	}
}

static void add_batch(const struct rj_staging *staging,
		      struct rj_out_frame *frame, unsigned block)
{
	uint32_t at = frame->staged_pages;

	for (size_t i = 0; i < staging->count; i++) {
		const struct ramjet_memory_range *range = &staging->ranges[i];
		const uint32_t count =
			(uint32_t)(range->bytes / RAMJET_PAGE_BYTES);

		add_range(staging->deltas, frame, block,
			  range->offset / RAMJET_PAGE_BYTES, at, count);
		at += count;
	}
}

int rj_staging_add(struct rj_staging *staging, struct rj_out_frame *frame,
		   const struct rj_block *block, const struct rj_claim *claim,
		   uint64_t *from, struct ramjet_error *err)
{
	struct rj_run run;

	while ((run = rj_words_next_run(claim->words, RJ_CHUNK_PAGES, *from))
		       .count) {
		const uint32_t room = rj_out_frame_room(
			frame, claim->block, claim->first_page + run.first);
		int rc;

		if (!room)
			return 1;
		gather(staging, claim, from, room);
		rc = rj_foreign_read(
			block, staging->ranges, staging->count,
			rj_out_frame_staging(frame, frame->staged_pages), err);
		if (rc)
			return rc;
		add_batch(staging, frame, claim->block);
	}
	return 0;
}
