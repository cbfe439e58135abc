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
	frame->own_pages = 0;
	memset(frame->pages, 0, sizeof(frame->pages));
	frame->last = (struct rj_wire_run){ 0 };
	frame->iov[0] = (struct iovec){ .iov_base = frame->head };
}

/* The table's entry, counted from its end. */
static uint8_t *entry(struct rj_out_frame *frame, uint32_t from_end)
{
	return frame->head + RJ_HEADER_BYTES +
	       (size_t)(frame->run_count - from_end) * RJ_RUN_BYTES;
}

/* Pages that are sent as they are: do they lie behind those of the last run? Some
 * of a block may be sent from copies. */
static bool is_behind_last(const struct rj_out_frame *frame,
			   const uint8_t *pages)
{
	const struct iovec *iov = &frame->iov[frame->iov_count - 1];

	return (const uint8_t *)iov->iov_base + iov->iov_len == pages;
}

static bool extends_last(const struct rj_out_frame *frame, const uint8_t *pages,
			 uint64_t page, uint32_t count, enum rj_run_kind kind)
{
	const struct rj_run_row *row = &rj_run_rows[kind];

	return frame->run_count && frame->last.kind == kind &&
	       frame->last.page + frame->last.count == page &&
	       frame->last.count + count <= RJ_RUN_COUNT_MAX &&
	       rj_run_row_grows(row) &&
	       (!row->in_place || is_behind_last(frame, pages)) &&
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
		rj_run_encode_told(kind, payload_bytes, entry(frame, 1));
	if (!rj_run_rows[kind].word)
		return;
	frame->last_word = frame->codec->word;
	rj_put64(entry(frame, 1), frame->last_word);
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
	rj_run_encode(&frame->last, entry(frame, entries));
	if (!extends)
		add_second(frame, run->kind, payload_bytes);
	frame->pages[run->kind] += run->count;
}

static uint32_t payload_room(const struct rj_out_frame *frame)
{
	return frame->payload_max > frame->payload_bytes
		       ? (frame->payload_max - frame->payload_bytes) /
				 RAMJET_PAGE_BYTES
		       : 0;
}

/* What is left of WORDS_MAX. */
static uint32_t words_room(const struct rj_out_frame *frame)
{
	return WORDS_MAX - (uint32_t)frame->pages[RJ_RUN_WORD];
}

/* Of another block, or does it come before what the frame has? */
static bool is_astray(const struct rj_out_frame *frame, unsigned block,
		      uint64_t page)
{
	return frame->run_count &&
	       (frame->block != block ||
		page < frame->last.page + frame->last.count);
}

uint32_t rj_out_frame_room(const struct rj_out_frame *frame, unsigned block,
			   uint64_t page)
{
	const uint32_t staging = frame->codec->frame_bytes / RAMJET_PAGE_BYTES -
				 frame->staged_pages;
	const uint32_t entries =
		(RJ_OUT_RUNS_MAX - frame->run_count) / frame->entries_max;
	const uint32_t words = words_room(frame);
	uint32_t room = payload_room(frame);

	if (is_astray(frame, block, page))
		return 0;
	room = room < staging ? room : staging;
	room = room < entries ? room : entries;
	return room < words ? room : words;
}

/* Do they lie in the frame's staging memory? */
static bool is_staged(const struct rj_out_frame *frame, const uint8_t *pages)
{
	return frame->codec->staging &&
	       (uintptr_t)pages - (uintptr_t)rj_out_frame_staging(frame, 0) <
		       frame->codec->frame_bytes;
}

uint8_t *rj_out_frame_own(struct rj_out_frame *frame, const uint8_t *pages,
			  uint32_t count)
{
	const struct rj_page_codec *codec = frame->codec;
	uint8_t *own = rj_page_codec_own_part(codec, frame->index);

	if (is_staged(frame, pages))
		return (uint8_t *)(uintptr_t)pages;
	if (!own ||
	    count > codec->frame_bytes / RAMJET_PAGE_BYTES - frame->own_pages)
		return NULL;
	own += (size_t)frame->own_pages * RAMJET_PAGE_BYTES;
	rj_page_copy(own, pages, (size_t)count * RAMJET_PAGE_BYTES);
	frame->own_pages += count;
	return own;
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
		room = payload_room(frame);
	return count < room ? count : room;
}

uint32_t rj_out_frame_add(struct rj_out_frame *frame, unsigned block,
			  const uint8_t *pages, uint64_t page, uint32_t count,
			  enum rj_run_kind kind)
{
	struct rj_page_payload payload;
	struct rj_wire_run run;
	bool extends;

	if (is_astray(frame, block, page))
		return 0;
	count = room_for(frame, count, kind);
	extends = extends_last(frame, pages, page, count, kind);
	if (!count || !fits(frame, kind, extends))
		return 0;
	payload = rj_page_payload_of(frame->codec, frame->index,
				     frame->coded_bytes, pages, count, kind);
	if (rj_unlikely(payload.kind != kind)) {
		extends = extends_last(frame, pages, page, count, payload.kind);
		if (!fits(frame, payload.kind, extends))
			return 0;
	}
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
		.run_count = frame->run_count,
		.payload_bytes = frame->payload_bytes,
	};

	assert(frame->run_count);
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
