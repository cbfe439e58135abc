/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/out_frame.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "engine/page/page_copy.h"
#include "engine/page/run_table.h"

/* Pages of one word each in a frame. Chosen: 16 MiB, which the target writes in
 * some milliseconds, before it takes the payload and says that it goes on. */
#define WORDS_MAX 4096u

void rj_out_frame_init(struct rj_out_frame *frame, struct rj_page_codec *codec,
		       unsigned index)
{
	assert(codec->frame_bytes == RJ_OUT_PAYLOAD_BYTES);
	frame->payload_max = RJ_OUT_PAYLOAD_BYTES;
	frame->codec = codec;
	frame->index = index;
	frame->entries_max = 1;
	for (unsigned kind = 0; kind < RJ_RUN_KINDS; kind++)
		if (rj_run_entries(kind) > frame->entries_max)
			frame->entries_max = rj_run_entries(kind);
	rj_out_frame_reset(frame);
}

void rj_out_frame_reset(struct rj_out_frame *frame)
{
	frame->iov_count = 1;
	frame->run_count = 0;
	frame->payload_bytes = frame->coded_bytes = frame->staged_pages = 0;
	frame->own_pages = frame->group.pages = 0;
	memset(frame->pages, 0, sizeof(frame->pages));
	frame->last = (struct rj_wire_run){ 0 };
	frame->iov[0] = (struct iovec){ .iov_base = frame->head };
}

/* May it, when what is sent of it lies right behind? */
static bool may_extend(const struct rj_out_frame *frame, uint64_t page,
		       uint32_t count, enum rj_run_kind kind)
{
	const struct rj_run_row *row = &rj_run_rows[kind];

	return frame->run_count && frame->last.kind == kind &&
	       frame->last.page + frame->last.count == page &&
	       frame->last.count + count <= RJ_RUN_COUNT_MAX &&
	       rj_run_row_grows(row) &&
	       (!row->word || frame->last_word == frame->codec->word);
}

/* Is there room in the table? */
static bool fits(const struct rj_out_frame *frame, enum rj_run_kind kind,
		 bool extends)
{
	return extends ||
	       frame->run_count + rj_run_entries(kind) <= RJ_OUT_RUNS_MAX;
}

static void add_payload(struct rj_out_frame *frame,
			const struct rj_page_payload *payload, bool extends)
{
	frame->payload_bytes += payload->bytes;
	if (!rj_run_rows[payload->kind].in_place)
		frame->coded_bytes += payload->bytes;
	if (extends) {
		frame->iov[frame->iov_count - 1].iov_len += payload->bytes;
		return;
	}
	frame->iov[frame->iov_count++] = (struct iovec){
		.iov_base = (void *)(uintptr_t)payload->from,
		.iov_len = payload->bytes,
	};
}

/* A run's second entry, if its kind has one. */
static void add_second(struct rj_out_frame *frame, enum rj_run_kind kind,
		       uint32_t payload_bytes)
{
	if (rj_run_rows[kind].told)
		rj_run_encode_told(
			kind, payload_bytes,
			rj_out_frame_entry(frame, frame->run_count - 1));
	if (!rj_run_rows[kind].word)
		return;
	frame->last_word = frame->codec->word;
	rj_put64(rj_out_frame_entry(frame, frame->run_count - 1),
		 frame->last_word);
}

static void add_run(struct rj_out_frame *frame, const struct rj_wire_run *run,
		    uint32_t payload_bytes, bool extends)
{
	const uint32_t entries = rj_run_entries(run->kind);

	if (extends) {
		frame->last.count += run->count;
	} else {
		frame->last = *run;
		frame->run_count += entries;
	}
	rj_run_encode(&frame->last,
		      rj_out_frame_entry(frame, frame->run_count - entries));
	if (!extends)
		add_second(frame, run->kind, payload_bytes);
	frame->pages[run->kind] += run->count;
}

/* What is left of WORDS_MAX. */
static uint32_t words_room(const struct rj_out_frame *frame)
{
	return WORDS_MAX - (uint32_t)frame->pages[RJ_RUN_WORD];
}

uint32_t rj_out_frame_room(const struct rj_out_frame *frame, unsigned block,
			   uint64_t page)
{
	const uint32_t staging = frame->codec->frame_bytes / RAMJET_PAGE_BYTES -
				 frame->staged_pages;
	const uint32_t entries =
		(RJ_OUT_RUNS_MAX - frame->run_count) / frame->entries_max;
	const uint32_t words = words_room(frame);
	uint32_t room = rj_out_frame_payload_room(frame);

	if (rj_out_frame_is_astray(frame, block, page))
		return 0;
	room = room < staging ? room : staging;
	room = room < entries ? room : entries;
	return room < words ? room : words;
}

/* So many pages at most, whatever becomes of them. */
static uint32_t room_for(const struct rj_out_frame *frame, uint32_t count,
			 enum rj_run_kind kind)
{
	const struct rj_run_row *row = &rj_run_rows[kind];
	uint32_t room = RJ_RUN_COUNT_MAX;

	if (row->word)
		room = words_room(frame);
	else if (rj_run_row_has_payload(row))
		room = rj_out_frame_payload_room(frame);
	return count < room ? count : room;
}

uint32_t rj_out_frame_add(struct rj_out_frame *frame, unsigned block,
			  const uint8_t *pages, uint64_t page, uint32_t count,
			  enum rj_run_kind kind)
{
	const struct rj_run_row *row = &rj_run_rows[kind];
	struct rj_page_payload payload;
	struct rj_wire_run run;
	bool extends;

	if (rj_out_frame_is_astray(frame, block, page))
		return 0;
	if (row->group)
		return rj_grouping_add(frame, block, pages, page, count);
	/* Compressed, they may leave room. */
	if (rj_run_row_has_payload(row) && !rj_out_frame_payload_room(frame))
		rj_grouping_close(frame);
	count = room_for(frame, count, kind);
	if (!count || !fits(frame, kind, may_extend(frame, page, count, kind)))
		return 0;
	payload = rj_page_payload_of(frame->codec, frame->index,
				     frame->coded_bytes, pages, count, kind);
	extends =
		may_extend(frame, page, count, payload.kind) &&
		(!payload.bytes || rj_out_frame_is_behind(frame, payload.from));
	if (!fits(frame, payload.kind, extends))
		return 0;
	frame->block = block;
	run = (struct rj_wire_run){ page, count, payload.kind };
	add_run(frame, &run, payload.bytes, extends);
	if (payload.bytes)
		add_payload(frame, &payload, extends);
	return count;
}

/* Copies they are already, of memory that is not mapped here, and move forward to
 * where others end: coded payload, too, is never longer than its pages were. */
static void move_pages(uint8_t *to, const uint8_t *from, size_t bytes)
{
	if (to != from)
		memmove(to, from, bytes);
}

/* One copy of the whole payload, in place of it; returns its sum. */
static uint64_t stage(struct rj_out_frame *frame, uint8_t *copies)
{
	size_t at = 0;

	for (unsigned i = 1; i < frame->iov_count; i++) {
		(frame->staged_pages ? move_pages : rj_page_copy)(
			copies + at, frame->iov[i].iov_base,
			frame->iov[i].iov_len);
		at += frame->iov[i].iov_len;
	}
	if (at) {
		frame->iov[1] = (struct iovec){ copies, at };
		frame->iov_count = 2;
	}
	return XXH3_64bits(copies, at);
}

void rj_out_frame_seal(struct rj_out_frame *frame, uint32_t round)
{
	uint8_t *copies = rj_page_codec_copies(frame->codec, frame->index);
	struct rj_frame header = {
		.type = RJ_FRAME_PAGES,
		.block = (uint16_t)frame->block,
		.round = round,
	};

	assert(frame->run_count);
	rj_grouping_close(frame);
	header.run_count = frame->run_count;
	header.payload_bytes = frame->payload_bytes;
	if (copies) {
		header.flags = RJ_FLAG_CHECKED;
		header.payload_sum = stage(frame, copies);
	}
	rj_frame_encode(&header, frame->head + RJ_HEADER_BYTES, NULL,
			frame->head);
	frame->iov[0].iov_len =
		RJ_HEADER_BYTES + (size_t)frame->run_count * RJ_RUN_BYTES;
}

void rj_out_frame_fence(struct rj_out_frame *frame, uint32_t round, bool final)
{
	const struct rj_frame header = {
		.type = RJ_FRAME_FENCE,
		.flags = final ? RJ_FLAG_FINAL : 0,
		.round = round,
	};

	rj_frame_encode(&header, NULL, NULL, frame->fence);
	frame->iov[frame->iov_count++] = (struct iovec){
		.iov_base = frame->fence,
		.iov_len = sizeof(frame->fence),
	};
	if (!frame->run_count) {
		frame->iov[0] = frame->iov[1];
		frame->iov_count = 1;
	}
}
