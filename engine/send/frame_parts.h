/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_FRAME_PARTS_H
#define RJ_ENGINE_SEND_FRAME_PARTS_H
/*
 * What a PAGES frame in the making consists of: header and table in one buffer, the
 * iovec that gathers them with the payload for one send, and how much of the
 * codec's memory it has taken. engine/send/out_frame.h puts it together.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "engine/page/coding.h"
#include "engine/page/run_table.h"
#include "engine/wire/wire.h"

/* One iovec for the head, one for a fence after it. */
#define RJ_OUT_RUNS_MAX (RJ_RUNS_MAX - 1)
/* payload_max, unless capped: a chunk (decision 004 compares 1, 2 and 4 MiB). */
#define RJ_OUT_PAYLOAD_BYTES (2u << 20)

/* A group that is still open: its runs are in the table, and in the iovec as if they
 * went raw. */
struct rj_out_group {
	uint32_t pages; /* 0: there is none */
	uint32_t run_count;
	int32_t level;
	/* Of the frame's own pages: those before, and those of the group. */
	uint32_t own_before, own_pages;
	struct {
		uint32_t entry; /* in the table; the first one has two */
		unsigned iov;
	} runs[RJ_GROUP_PAGES];
};

struct rj_out_frame {
	struct iovec iov[RJ_OUT_RUNS_MAX + 2];
	unsigned iov_count; /* [0] is the head */
	uint32_t run_count; /* entries of the table */
	uint32_t payload_bytes;
	uint32_t payload_max; /* full beyond this; init only */
	unsigned block;
	uint64_t pages[RJ_RUN_KINDS];
	struct rj_wire_run last;     /* the newest run, still growing */
	uint64_t last_word;          /* its word, if it has one */
	struct rj_page_codec *codec; /* borrowed: of the lane */
	unsigned index;              /* which of its frames: init only */
	uint32_t coded_bytes;        /* of the payload: from the codec */
	uint32_t staged_pages;       /* of the codec's staging: in use */
	uint32_t own_pages;          /* of its copies that are ours: likewise */
	uint32_t entries_max;        /* of the table, for one run: init only */
	struct rj_out_group group;
	uint8_t head[RJ_HEADER_BYTES + RJ_TABLE_BYTES_MAX];
	uint8_t fence[RJ_HEADER_BYTES];
};

/* Entry `index` of its table. */
static inline uint8_t *rj_out_frame_entry(struct rj_out_frame *frame,
					  uint32_t index)
{
	return frame->head + RJ_HEADER_BYTES + (size_t)index * RJ_RUN_BYTES;
}
static inline uint32_t rj_out_frame_payload_room(
	const struct rj_out_frame *frame)
{
	return frame->payload_max > frame->payload_bytes
		       ? (frame->payload_max - frame->payload_bytes) /
				 RAMJET_PAGE_BYTES
		       : 0;
}
/* Of another block, or does it come before what the frame has? */
static inline bool rj_out_frame_is_astray(const struct rj_out_frame *frame,
					  unsigned block, uint64_t page)
{
	return frame->run_count &&
	       (frame->block != block ||
		page < frame->last.page + frame->last.count);
}
/* Does this lie in memory right behind the payload so far? */
static inline bool rj_out_frame_is_behind(const struct rj_out_frame *frame,
					  const uint8_t *payload)
{
	const struct iovec *last = &frame->iov[frame->iov_count - 1];

	return (const uint8_t *)last->iov_base + last->iov_len == payload;
}
/* Page `at` of the frame's staging memory. */
static inline uint8_t *rj_out_frame_staging(const struct rj_out_frame *frame,
					    uint32_t at)
{
	return rj_page_codec_staging(frame->codec, frame->index) +
	       (size_t)at * RAMJET_PAGE_BYTES;
}

/* Copy pages to memory of the frame's own: what is looked at there is what will be
 * sent from there, and stays until the frame is reset. Where that is so already
 * (they are such copies, or were read before they are sent), they stay where
 * they are. NULL: there is no room for so many, and the frame must be sent
 * first; an empty one has room for its payload, once its codec was given
 * memory with rj_page_codec_own(). */
uint8_t *rj_out_frame_own(struct rj_out_frame *frame, const uint8_t *pages,
			  uint32_t count);
/* Is it so already? */
bool rj_out_frame_is_own(const struct rj_out_frame *frame,
			 const uint8_t *pages);
/* So many may still be copied. */
uint32_t rj_out_frame_own_room(const struct rj_out_frame *frame);
#endif
