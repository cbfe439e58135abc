/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/out_frame.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

void rj_out_frame_init(struct rj_out_frame *frame)
{
	frame->payload_max = RJ_OUT_PAYLOAD_BYTES;
	frame->staging = NULL;
	rj_out_frame_reset(frame);
}

void rj_out_frame_reset(struct rj_out_frame *frame)
{
	frame->iov_count = 1;
	frame->run_count = 0;
	frame->payload_bytes = 0;
	frame->raw_pages = frame->zero_pages = 0;
	frame->last = (struct rj_wire_run){ 0 };
	frame->iov[0] = (struct iovec){ .iov_base = frame->head };
}

static void write_last(struct rj_out_frame *frame)
{
	rj_run_encode(&frame->last,
		      frame->head + RJ_HEADER_BYTES +
			      (size_t)(frame->run_count - 1) * RJ_RUN_BYTES);
}

static bool extends_last(const struct rj_out_frame *frame, uint64_t page,
			 uint32_t count, enum rj_run_kind kind)
{
	return frame->run_count && frame->last.kind == kind &&
	       frame->last.page + frame->last.count == page &&
	       frame->last.count + count <= RJ_RUN_COUNT_MAX;
}

static void add_payload(struct rj_out_frame *frame, const uint8_t *from,
			uint32_t bytes, bool extends)
{
	frame->payload_bytes += bytes;
	if (extends) {
		frame->iov[frame->iov_count - 1].iov_len += bytes;
		return;
	}
	frame->iov[frame->iov_count++] = (struct iovec){
		.iov_base = (void *)(uintptr_t)from,
		.iov_len = bytes,
	};
}

uint32_t rj_out_frame_add(struct rj_out_frame *frame, unsigned block,
			  const uint8_t *host, uint64_t page, uint32_t count,
			  enum rj_run_kind kind)
{
	const uint32_t room =
		frame->payload_max > frame->payload_bytes
			? (frame->payload_max - frame->payload_bytes) /
				  RAMJET_PAGE_BYTES
			: 0;
	bool extends;

	if (frame->run_count && (frame->block != block ||
				 page < frame->last.page + frame->last.count))
		return 0;
	if (kind == RJ_RUN_RAW && count > room)
		count = room;
	if (count > RJ_RUN_COUNT_MAX)
		count = RJ_RUN_COUNT_MAX;
	extends = extends_last(frame, page, count, kind);
	if (!count || (!extends && frame->run_count == RJ_OUT_RUNS_MAX))
		return 0;
	frame->block = block;
	if (extends) {
		frame->last.count += count;
	} else {
		frame->last = (struct rj_wire_run){ .page = page,
						    .count = count,
						    .kind = kind };
		frame->run_count++;
	}
	write_last(frame);
	if (kind == RJ_RUN_RAW) {
		add_payload(frame, host + page * RAMJET_PAGE_BYTES,
			    count * RAMJET_PAGE_BYTES, extends);
		frame->raw_pages += count;
	} else {
		frame->zero_pages += count;
	}
	return count;
}

#ifdef RJ_TSAN
typedef uint64_t word __attribute__((may_alias));

/* Not memcpy(): a sanitizer would report it, since the guest may write
 * meanwhile. */
RJ_GUEST_MEMORY static void copy_pages(uint8_t *to, const uint8_t *from,
				       size_t bytes)
{
	volatile word *out = (volatile word *)(void *)to;
	const volatile word *in = (const volatile word *)(const void *)from;

	for (size_t i = 0; i < bytes / sizeof(*in); i++)
		out[i] = in[i];
}
#else
static void copy_pages(uint8_t *to, const uint8_t *from, size_t bytes)
{
	memcpy(to, from, bytes);
}
#endif

/* One copy of all pages, in place of them; returns its sum. */
static uint64_t stage(struct rj_out_frame *frame)
{
	size_t at = 0;

	for (unsigned i = 1; i < frame->iov_count; i++) {
		copy_pages(frame->staging + at, frame->iov[i].iov_base,
			   frame->iov[i].iov_len);
		at += frame->iov[i].iov_len;
	}
	if (at) {
		frame->iov[1] = (struct iovec){ frame->staging, at };
		frame->iov_count = 2;
	}
	return XXH3_64bits(frame->staging, at);
}

void rj_out_frame_seal(struct rj_out_frame *frame, uint32_t round)
{
	struct rj_frame header = {
		.type = RJ_FRAME_PAGES,
		.block = (uint16_t)frame->block,
		.round = round,
		.run_count = frame->run_count,
		.payload_bytes = frame->payload_bytes,
	};

	assert(frame->run_count);
	if (frame->staging) {
		header.flags = RJ_FLAG_CHECKED;
		header.payload_sum = stage(frame);
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
