/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_GROUPING_H
#define RJ_ENGINE_SEND_GROUPING_H
/*
 * Pages of a frame are compressed together: copied, so that the guest does not
 * change them meanwhile, and collected over gaps and over runs of other kinds, as a
 * run that begins the group and others that join it. Once the group is full, or
 * has to end, its payload takes the place of its first run's pages, and the
 * others go without; or all go raw, from the copies, where it has not become
 * smaller.
 *
 * Nothing of a group is left open in a frame that is sent.
 */
#include "engine/send/frame_parts.h"

/* As rj_out_frame_add(), of a kind that begins groups. The frame's codec has been
 * prepared with rj_page_codec_compress(). */
uint32_t rj_grouping_add(struct rj_out_frame *frame, unsigned block,
			 const uint8_t *pages, uint64_t page, uint32_t count);
/* Compress what is open, if anything is. */
void rj_grouping_close(struct rj_out_frame *frame);
#endif
