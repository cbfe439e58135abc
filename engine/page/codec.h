/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_CODEC_H
#define RJ_ENGINE_PAGE_CODEC_H
/*
 * What a lane needs to code pages, at either end: made when the lane opens,
 * owned by its worker, and with memory of its own, which is taken when it is
 * first needed. What a kind of run keeps for itself (a compressor's state,
 * earlier copies) has its place here as well.
 */
#include <sys/uio.h>

#include "engine/page/delta.h"
#include "engine/page/hopeless.h"
#include "engine/page/reduction.h"
#include "engine/page/run_row.h"

struct rj_compressor;
struct rj_counters;
struct rj_decompressor;

/* One frame is built while another is sent. */
#define RJ_CODEC_FRAMES 2u
/* Pages that are made here before they are written to a block: some at a time. */
#define RJ_SCRATCH_PAGES 16u

struct rj_page_codec {
	/* the source's */
	uint32_t frame_bytes; /* a frame's payload, at most */
	/* How pages may be made smaller; borrowed, and NULL: not at all. Set
	 * after rj_page_codec_init(), before the first frame. */
	const struct rj_reduction *reduction;
	/* zstd's level for what is added from now on: the lane's worker changes
	 * it as it likes, within the reduction's. */
	int32_t level;
	uint64_t word;   /* of the pages that were cut last, if WORD */
	uint8_t *copies; /* of frames' pages, or NULL: see below */
	/* of pages that are not mapped here, or NULL; may be `copies` */
	uint8_t *staging;
	uint8_t *own;   /* of pages that are looked at closely, or NULL */
	uint8_t *coded; /* frames' coded payloads, once there are any */
	struct rj_compressor *compressor; /* NULL: no groups */
	struct rj_counters *counters;     /* borrowed; NULL: nobody counts */
	struct rj_hopeless hopeless;

	/* Of a group: pages that do not lie one behind the other. */
	uint8_t *group;
	/* The payload of the DELTA run that is added next; borrowed. */
	const uint8_t *delta;
	uint32_t delta_bytes;
	struct rj_delta_coder deltas; /* either side's */
	uint8_t *scratch; /* RJ_SCRATCH_PAGES, once they are needed */

	/* the target's: runs of the frame at hand whose payload comes here */
	struct rj_run_piece *pieces; /* RJ_RUNS_MAX, once there are any */
	unsigned piece_count;
	uint8_t *received; /* RJ_PAGES_PAYLOAD_MAX, likewise */
	uint32_t received_bytes;
	/* As many, likewise: pages of blocks that are not mapped here. */
	uint8_t *pages;
	uint32_t pages_bytes;
	struct rj_decompressor *decompressor; /* once there is a group */
	struct ramjet_memory_range *ranges;   /* RJ_RUNS_MAX: where they go */
};

/* At a source, for frames of up to so much payload; at a target 0. */
void rj_page_codec_init(struct rj_page_codec *codec, uint32_t frame_bytes);
/* Safe on a zeroed struct. */
void rj_page_codec_done(struct rj_page_codec *codec);

/* RJ_SCRATCH_PAGES of memory, page-aligned, for whoever wants them until he
 * returns; NULL: out of memory, which err says. (Of a stack a sanitizer forgets how
 * it is aligned; and a worker's may be small.) */
uint8_t *rj_page_codec_scratch(struct rj_page_codec *codec,
			       struct ramjet_error *err);

/* ---- source ------------------------------------------------------------- */

/* From now on pages are copied before they are sent, so that what is sent is
 * what was summed. */
RJ_NODISCARD int rj_page_codec_copy(struct rj_page_codec *codec,
				    struct ramjet_error *err);
/* Room for the copy of a frame's whole payload, page-aligned; NULL: pages are
 * sent from where they lie. */
static inline uint8_t *rj_page_codec_copies(const struct rj_page_codec *codec,
					    unsigned frame)
{
	return codec->copies
		       ? codec->copies + (size_t)frame * codec->frame_bytes
		       : NULL;
}

/* From now on there is memory for pages that are read before they are sent. After
 * rj_page_codec_copy(), if that is wanted. */
RJ_NODISCARD int rj_page_codec_stage(struct rj_page_codec *codec,
				     struct ramjet_error *err);
/* A frame's part of it: as much as its payload, page-aligned. */
static inline uint8_t *rj_page_codec_staging(const struct rj_page_codec *codec,
					     unsigned frame)
{
	return codec->staging + (size_t)frame * codec->frame_bytes;
}

/* From now on frames have room for copies of pages which are compressed, hashed
 * or kept: the guest may write the pages themselves meanwhile. */
RJ_NODISCARD int rj_page_codec_own(struct rj_page_codec *codec,
				   struct ramjet_error *err);
/* A frame's part of it: as much as its payload, page-aligned; NULL: none. */
static inline uint8_t *rj_page_codec_own_part(const struct rj_page_codec *codec,
					      unsigned frame)
{
	return codec->own ? codec->own + (size_t)frame * codec->frame_bytes
			  : NULL;
}

/* From now on pages may be compressed, at levels up to this one: makes all that
 * takes, own copies among it. Nothing more is allocated then. */
RJ_NODISCARD int rj_page_codec_compress(struct rj_page_codec *codec,
					int32_t level_max,
					struct ramjet_error *err);

/* Room for a frame's coded payload, likewise; NULL: out of memory. */
uint8_t *rj_page_codec_coded(struct rj_page_codec *codec, unsigned frame);

/* ---- target ------------------------------------------------------------- */

/* A frame begins. */
static inline void rj_page_codec_begin(struct rj_page_codec *codec)
{
	codec->piece_count = 0;
	codec->received_bytes = codec->pages_bytes = 0;
}
/* This run of it (without payload yet) is to be placed when its payload has
 * come: where to receive that in *ret, of length 0 where it joins a group. The frame's table was checked. */
RJ_NODISCARD int rj_page_codec_expect(struct rj_page_codec *codec,
				      const struct rj_run_piece *piece,
				      struct iovec *ret,
				      struct ramjet_error *err);
/* The same, of a run whose payload is its pages, in a block that is not mapped
 * here. */
RJ_NODISCARD int rj_page_codec_expect_pages(struct rj_page_codec *codec,
					    const struct rj_run_piece *piece,
					    struct iovec *ret,
					    struct ramjet_error *err);
#endif
