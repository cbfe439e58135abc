/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/fuzz/wire_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/page/run_table.h"
#include "engine/page/zstd_frame.h"
#include "engine/wire/lanes.h"
#include "engine/wire/resume.h"
#include "util/cleanup.h"
#include "util/error.h"

/* One frame: where its parts lie, and where they are written again. */
struct part {
	const struct rj_frame *frame;
	const uint8_t *table, *body;
	uint8_t *table_again, *body_again;
};

void stream_init(struct wire_stream *stream, const uint8_t *data, size_t bytes)
{
	memset(stream, 0, sizeof(*stream));
	stream->data = data;
	stream->bytes = bytes;
	stream->again = calloc(1, bytes + 1);
	if (!stream->again)
		abort();
	stream->block_count = RJ_BLOCKS_MAX;
	for (uint32_t i = 0; i < RJ_BLOCKS_MAX; i++)
		stream->block_pages[i] = STREAM_DEFAULT_PAGES;
}

void stream_done(struct wire_stream *stream)
{
	free(stream->again);
	stream->again = NULL;
}

/* A run's one or two entries. */
static void again_run(const struct part *part, uint32_t index,
		      const struct rj_wire_run *run)
{
	const struct rj_run_row *row = &rj_run_rows[run->kind];
	uint8_t *to = part->table_again + (size_t)index * RJ_RUN_BYTES;
	const uint32_t bytes =
		(uint32_t)(rj_run_payload_bytes(part->table, index, run) -
			   row->run_bytes -
			   (uint64_t)row->page_bytes * run->count);

	rj_run_encode(run, to);
	if (row->told)
		rj_run_encode_told(run->kind, bytes, to + RJ_RUN_BYTES);
	if (row->word)
		rj_put64(to + RJ_RUN_BYTES,
			 rj_run_word(part->table, index, run->kind));
}

/* A group that has begun: its pages so far, and its payload. */
struct group {
	uint64_t page;
	uint32_t pages, bytes;
	const uint8_t *payload;
};

static int end_group(const struct group *group, struct ramjet_error *err)
{
	const int rc = group->pages
			       ? rj_zstd_frame_check(
					 group->payload, group->bytes,
					 group->pages * RAMJET_PAGE_BYTES, err)
			       : 0;

	if (rc)
		rj_error_prefix(err, "page %llu and its group",
				(unsigned long long)group->page);
	return rc;
}

/* The next run, whose payload lies there; the group before ends with another's
 * beginning. */
static int add_to_group(struct group *group, const struct rj_wire_run *run,
			const uint8_t *payload, uint64_t bytes,
			struct ramjet_error *err)
{
	int rc = 0;

	switch (rj_run_rows[run->kind].group) {
	case RJ_GROUP_NONE:
		return 0;
	case RJ_GROUP_BEGINS:
		rc = end_group(group, err);
		*group = (struct group){ .page = run->page,
					 .bytes = (uint32_t)bytes,
					 .payload = payload };
		break;
	case RJ_GROUP_JOINS:
		break;
	}
	group->pages += run->count;
	return rc;
}

static int again_pages(const struct wire_stream *stream,
		       const struct part *part, struct ramjet_error *err)
{
	const struct rj_frame *frame = part->frame;
	struct rj_wire_run run = { 0 };
	uint64_t pages, bytes, next_page = 0, at = 0;
	struct group group = { 0 };
	int rc;

	if (frame->block >= stream->block_count)
		return rj_fail(err, -EPROTO, "stream: no block %u",
			       frame->block);
	pages = stream->block_pages[frame->block];
	rc = rj_table_check(frame, part->table, pages, err);
	for (uint32_t i = 0; !rc && i < frame->run_count;
	     i += rj_run_entries(run.kind)) {
		if (rj_run_decode(part->table, i, pages, &next_page, &run, err))
			abort();
		again_run(part, i, &run);
		bytes = rj_run_payload_bytes(part->table, i, &run);
		rc = add_to_group(&group, &run, part->body + at, bytes, err);
		at += bytes;
	}
	if (!rc)
		rc = end_group(&group, err);
	memcpy(part->body_again, part->body, frame->payload_bytes);
	return rc;
}

static int again_hello(const struct part *part, struct ramjet_error *err)
{
	struct rj_hello hello;
	int rc;

	rc = rj_hello_decode(part->body, part->frame->payload_bytes, &hello,
			     err);
	if (!rc)
		rj_hello_encode(&hello, part->body_again);
	return rc;
}

static int again_blocks(struct wire_stream *stream, const struct part *part,
			struct ramjet_error *err)
{
	rj_autofree struct rj_wire_block *blocks = NULL;
	uint32_t count;
	int rc;

	rc = rj_blocks_decode(part->body, part->frame->payload_bytes, &blocks,
			      &count, err);
	if (rc)
		return rc;
	if (rj_blocks_encode(blocks, count, NULL) != part->frame->payload_bytes)
		return rj_fail(err, -EBADE, "stream: BLOCKS changed its size");
	(void)rj_blocks_encode(blocks, count, part->body_again);
	stream->block_count = count;
	for (uint32_t i = 0; i < count; i++)
		stream->block_pages[i] = blocks[i].bytes / RAMJET_PAGE_BYTES;
	return 0;
}

/* The decoder replaces what does not print, so only the second pass must be
 * identical to the first. */
static int again_failed(const struct part *part, struct ramjet_error *err)
{
	const size_t bytes = part->frame->payload_bytes;
	uint8_t body[RJ_FAILED_BYTES_MAX];
	struct ramjet_error first = { 0 }, second = { 0 };
	int rc;

	rc = rj_failed_decode(part->body, bytes, &first, err);
	if (rc)
		return rc;
	memcpy(part->body_again, part->body, bytes);
	/* A zero byte ends a text: '?' took its place, the length is kept. */
	if (rj_failed_encode(&first, body) != bytes ||
	    rj_failed_decode(body, bytes, &second, err) ||
	    second.code != first.code || strcmp(first.message, second.message))
		part->body_again[0] ^= 0xff;
	return 0;
}

static int again_ready(const struct part *part, struct ramjet_error *err)
{
	struct rj_ready ready;
	int rc;

	rc = rj_ready_decode(part->body, part->frame->payload_bytes, &ready,
			     err);
	if (!rc)
		rj_ready_encode(&ready, part->body_again);
	return rc;
}

static int again_running(const struct part *part, struct ramjet_error *err)
{
	struct rj_running running;
	int rc;

	rc = rj_running_decode(part->body, part->frame->payload_bytes, &running,
			       err);
	if (!rc)
		rj_running_encode(&running, part->body_again);
	return rc;
}

static int again_accept(const struct part *part, struct ramjet_error *err)
{
	uint16_t count;
	int rc;

	rc = rj_accept_decode(part->body, part->frame->payload_bytes,
			      RAMJET_CHANNELS_MAX, &count, err);
	if (!rc)
		rj_accept_encode(count, part->body_again);
	return rc;
}

static int again_kinds(const struct part *part, struct ramjet_error *err)
{
	uint32_t kinds;
	int rc;

	rc = rj_kinds_decode(part->frame->type, part->body,
			     part->frame->payload_bytes, &kinds, err);
	if (!rc)
		rj_kinds_encode(kinds, part->body_again);
	return rc;
}

static int again_lost(const struct part *part, struct ramjet_error *err)
{
	struct rj_lost lost;
	const int rc = rj_lost_decode(part->body, part->frame->payload_bytes,
				      RAMJET_CHANNELS_MAX, &lost, err);

	if (!rc)
		rj_lost_encode(&lost, part->body_again);
	return rc;
}

static int again_lane_round(const struct part *part, struct ramjet_error *err)
{
	struct rj_lane_round body;
	const int rc = rj_lane_round_decode(part->frame->type, part->body,
					    part->frame->payload_bytes,
					    RAMJET_CHANNELS_MAX, &body, err);

	if (!rc)
		rj_lane_round_encode(&body, part->body_again);
	return rc;
}

static int again_taken(const struct part *part, struct ramjet_error *err)
{
	const unsigned lanes = part->frame->payload_bytes / RJ_TAKEN_BYTES;
	struct rj_taken taken[RAMJET_CHANNELS_MAX];
	const int rc = rj_taken_decode(part->body, part->frame->payload_bytes,
				       lanes, taken, err);

	if (!rc)
		rj_taken_encode(taken, lanes, part->body_again);
	return rc;
}

static int again_keeps(const struct part *part, struct ramjet_error *err)
{
	struct rj_keeps keeps;
	const int rc = rj_keeps_decode(part->body, part->frame->payload_bytes,
				       &keeps, err);

	if (!rc)
		rj_keeps_encode(&keeps, part->body_again);
	return rc;
}

static int again_resume(const struct part *part, struct ramjet_error *err)
{
	uint64_t heard;
	const int rc = rj_resume_decode(part->body, part->frame->payload_bytes,
					&heard, err);

	if (!rc)
		rj_resume_encode(heard, part->body_again);
	return rc;
}

static void again_digests(const struct part *part)
{
	struct rj_digest digest;

	for (uint32_t at = 0; at < part->frame->payload_bytes;
	     at += RJ_DIGEST_BYTES) {
		rj_digest_decode(part->body + at, &digest);
		rj_digest_encode(&digest, part->body_again + at);
	}
}

static int again_body(struct wire_stream *stream, const struct part *part,
		      struct ramjet_error *err)
{
	switch (part->frame->type) {
	case RJ_FRAME_PAGES:
		return again_pages(stream, part, err);
	case RJ_FRAME_HELLO:
		return again_hello(part, err);
	case RJ_FRAME_BLOCKS:
		return again_blocks(stream, part, err);
	case RJ_FRAME_FAILED:
		return again_failed(part, err);
	case RJ_FRAME_READY:
		return again_ready(part, err);
	case RJ_FRAME_RUNNING:
		return again_running(part, err);
	case RJ_FRAME_ACCEPT:
		return again_accept(part, err);
	case RJ_FRAME_OFFER:
	case RJ_FRAME_TAKES:
		return again_kinds(part, err);
	case RJ_FRAME_LOST:
		return again_lost(part, err);
	case RJ_FRAME_BACK:
	case RJ_FRAME_JOINED:
		return again_lane_round(part, err);
	case RJ_FRAME_TAKEN:
		return again_taken(part, err);
	case RJ_FRAME_KEEPS:
		return again_keeps(part, err);
	case RJ_FRAME_RESUME:
		return again_resume(part, err);
	case RJ_FRAME_DIGESTS:
		again_digests(part);
		return 0;
	default:
		/* STATE is opaque here, the others have no body, and what is
		 * unknown is skipped by its sizes. */
		memcpy(part->table_again, part->table,
		       (size_t)part->frame->run_count * RJ_RUN_BYTES);
		memcpy(part->body_again, part->body,
		       part->frame->payload_bytes);
		return 0;
	}
}

/* Header in, right check word out: in place, see fix_checks. */
static void fix_check(const uint8_t *header, struct rj_frame *frame,
		      const struct part *part)
{
	uint8_t fixed[RJ_HEADER_BYTES];

	rj_frame_encode(frame, part->table, part->body, fixed);
	memcpy((uint8_t *)(uintptr_t)header, fixed, sizeof(fixed));
	if (rj_frame_decode(header, frame, NULL))
		abort();
}

int stream_next(struct wire_stream *stream, struct rj_frame *ret,
		struct ramjet_error *err)
{
	const uint8_t *header = stream->data + stream->at;
	const size_t left = stream->bytes - stream->at;
	uint8_t *again = stream->again + stream->at;
	struct part part = { .frame = ret };
	size_t table_bytes, frame_bytes;
	int rc;

	if (!left)
		return 0;
	if (left < RJ_HEADER_BYTES)
		return rj_fail(err, -EPIPE, "stream: cut short in a header");
	rc = rj_frame_decode(header, ret, err);
	if (rc)
		return rc;
	table_bytes = (size_t)ret->run_count * RJ_RUN_BYTES;
	frame_bytes = RJ_HEADER_BYTES + table_bytes + ret->payload_bytes;
	if (left < frame_bytes)
		return rj_fail(err, -EPIPE, "stream: cut short in a frame");
	part.table = header + RJ_HEADER_BYTES;
	part.body = part.table + table_bytes;
	part.table_again = again + RJ_HEADER_BYTES;
	part.body_again = part.table_again + table_bytes;
	if (stream->fix_checks)
		fix_check(header, ret, &part);
	rc = rj_frame_verify(header, ret, part.table, part.body, err);
	if (!rc)
		rc = again_body(stream, &part, err);
	if (rc)
		return rc;
	rj_frame_encode(ret, part.table_again, part.body_again, again);
	stream->seen[ret->type]++;
	stream->at += frame_bytes;
	return 1;
}
