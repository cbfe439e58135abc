/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/frame_parts.h"

#include "engine/page/page_copy.h"

/* Do they lie in this memory, a frame's part of the codec's? */
static bool is_in(const struct rj_out_frame *frame, const uint8_t *memory,
		  const uint8_t *pages)
{
	return memory &&
	       (uintptr_t)pages - (uintptr_t)memory < frame->codec->frame_bytes;
}

bool rj_out_frame_is_own(const struct rj_out_frame *frame, const uint8_t *pages)
{
	const struct rj_page_codec *codec = frame->codec;

	return is_in(frame, rj_page_codec_own_part(codec, frame->index),
		     pages) ||
	       (codec->staging &&
		is_in(frame, rj_page_codec_staging(codec, frame->index),
		      pages));
}

uint32_t rj_out_frame_own_room(const struct rj_out_frame *frame)
{
	return frame->codec->own
		       ? frame->codec->frame_bytes / RAMJET_PAGE_BYTES -
				 frame->own_pages
		       : 0;
}

uint8_t *rj_out_frame_own(struct rj_out_frame *frame, const uint8_t *pages,
			  uint32_t count)
{
	uint8_t *own;

	if (rj_out_frame_is_own(frame, pages))
		return (uint8_t *)(uintptr_t)pages;
	if (count > rj_out_frame_own_room(frame))
		return NULL;
	own = rj_page_codec_own_part(frame->codec, frame->index) +
	      (size_t)frame->own_pages * RAMJET_PAGE_BYTES;
	rj_page_copy(own, pages, (size_t)count * RAMJET_PAGE_BYTES);
	frame->own_pages += count;
	return own;
}
