/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_OUT_FRAME_H
#define RJ_ENGINE_SEND_OUT_FRAME_H
/*
 * A PAGES frame in the making: pages are added, and it is sealed, a gathered send
 * from guest memory and the codec's.
 */
#include "engine/send/frame_parts.h"
#include "engine/send/grouping.h"

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
/* Compress what is still to be, and write header and table: the iovec is complete
 * then. Where the codec copies,
 * the pages as they are now are what is sent. */
void rj_out_frame_seal(struct rj_out_frame *frame, uint32_t round);
/* Append a fence (also to an empty frame). After sealing. */
void rj_out_frame_fence(struct rj_out_frame *frame, uint32_t round, bool final);
#endif
