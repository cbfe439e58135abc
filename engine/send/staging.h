/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_STAGING_H
#define RJ_ENGINE_SEND_STAGING_H
/*
 * Pages that are not mapped here are copied before they are sent: a batch of a
 * claim's runs is read with one call into memory of the frame that is being
 * built (engine/page/codec.h), and cut there. The frame before may be in flight
 * meanwhile, from memory of its own.
 */
#include "engine/page/foreign_memory.h"
#include "engine/send/deltas.h"
#include "engine/send/rounds.h"

struct rj_staging {
	/* The batch: at worst every other page of a chunk. */
	struct ramjet_memory_range ranges[RJ_CHUNK_PAGES / 2];
	size_t count;
	struct rj_deltas *deltas; /* the lane's; NULL: none */
};

/* Read the claim's pages from bit *from on, which moves on, and add them to the
 * frame. 0: all of them are in; 1: the frame must be sent first. Its codec has
 * been given memory with rj_page_codec_stage(). */
RJ_NODISCARD int rj_staging_add(struct rj_staging *staging,
				struct rj_out_frame *frame,
				const struct rj_block *block,
				const struct rj_claim *claim, uint64_t *from,
				struct ramjet_error *err);
#endif
