/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_OUT_FRAME_H
#define RJ_ENGINE_SEND_OUT_FRAME_H
/*
 * A PAGES frame in the making: header and table in one buffer, and the iovec
 * that gathers them with the guest's pages for one send.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "engine/page/coding.h"
#include "engine/wire/wire.h"

/* One iovec for the head, one for a fence after it. */
#define RJ_OUT_RUNS_MAX (RJ_RUNS_MAX - 1)
/* payload_max, unless capped: a chunk (decision 004 compares 1, 2 and 4 MiB). */
#define RJ_OUT_PAYLOAD_BYTES (2u << 20)

struct rj_out_frame {
	struct iovec iov[RJ_OUT_RUNS_MAX + 2];
	unsigned iov_count; /* [0] is the head */
	uint32_t run_count;
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
	uint8_t head[RJ_HEADER_BYTES + RJ_TABLE_BYTES_MAX];
	uint8_t fence[RJ_HEADER_BYTES];
};

/* A new frame, empty and as large as frames get; `index` of RJ_CODEC_FRAMES.
 * The codec is for frames of RJ_OUT_PAYLOAD_BYTES. */
void rj_out_frame_init(struct rj_out_frame *frame, struct rj_page_codec *codec,
		       unsigned index);
/* Empty it again. */
void rj_out_frame_reset(struct rj_out_frame *frame);
static inline bool rj_out_frame_is_empty(const struct rj_out_frame *frame)
{
	return !frame->run_count;
}
/* Add up to `count` pages of one kind from `page` on, which lie at `pages`; returns
 * how many went in: fewer mean the frame is full (or of another block, or beyond
 * `page`) and must be sent first. An empty frame takes at least one. */
uint32_t rj_out_frame_add(struct rj_out_frame *frame, unsigned block,
			  const uint8_t *pages, uint64_t page, uint32_t count,
			  enum rj_run_kind kind);
/* So many pages from `page` on surely fit, whatever kinds they are cut into, and
 * have room in the staging memory; 0: the frame must be sent first. */
uint32_t rj_out_frame_room(const struct rj_out_frame *frame, unsigned block,
			   uint64_t page);
/* Page `at` of the frame's staging memory. */
static inline uint8_t *rj_out_frame_staging(const struct rj_out_frame *frame,
					    uint32_t at)
{
	return rj_page_codec_staging(frame->codec, frame->index) +
	       (size_t)at * RAMJET_PAGE_BYTES;
}
/* Copy pages to memory of the frame's own: what is looked at there is what will be
 * sent from there, and stays until the frame is reset. Where they are read
 * before they are sent, that is so already, and they stay where they are. NULL:
 * there is no room for so many, and the frame must be sent first; an empty one has
 * room for its payload, once its codec was given memory with
 * rj_page_codec_own(). */
uint8_t *rj_out_frame_own(struct rj_out_frame *frame, const uint8_t *pages,
			  uint32_t count);
/* Write header and table: the iovec is complete then. Where the codec copies,
 * the pages as they are now are what is sent. */
void rj_out_frame_seal(struct rj_out_frame *frame, uint32_t round);
/* Append a fence (also to an empty frame). After sealing. */
void rj_out_frame_fence(struct rj_out_frame *frame, uint32_t round, bool final);
#endif
