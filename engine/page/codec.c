/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/codec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "engine/page/zstd.h"
#include "util/error.h"

void rj_page_codec_init(struct rj_page_codec *codec, uint32_t frame_bytes)
{
	*codec = (struct rj_page_codec){
		.frame_bytes = frame_bytes,
		.level = RJ_LEVEL_OFF,
	};
}

void rj_page_codec_done(struct rj_page_codec *codec)
{
	if (codec->staging != codec->copies)
		free(codec->staging);
	free(codec->copies);
	free(codec->own);
	free(codec->scratch);
	free(codec->coded);
	free(codec->group);
	rj_compressor_free(codec->compressor);
	rj_decompressor_free(codec->decompressor);
	free(codec->pieces);
	free(codec->received);
	free(codec->pages);
	free(codec->ranges);
	rj_delta_coder_done(&codec->deltas);
	*codec = (struct rj_page_codec){ 0 };
}

static uint8_t *new_frames(const struct rj_page_codec *codec)
{
	return aligned_alloc(RAMJET_PAGE_BYTES,
			     (size_t)RJ_CODEC_FRAMES * codec->frame_bytes);
}

int rj_page_codec_copy(struct rj_page_codec *codec, struct ramjet_error *err)
{
	if (!codec->copies)
		codec->copies = new_frames(codec);
	return codec->copies ? 0 : rj_fail(err, -ENOMEM, "out of memory");
}

int rj_page_codec_stage(struct rj_page_codec *codec, struct ramjet_error *err)
{
	/* A group's payload comes before all that stands between its pages: it
	 * would be written over what is still to be sent from there. */
	const bool shared = codec->copies &&
			    !rj_reduction_allows(codec->reduction, RJ_RUN_ZSTD);

	if (!codec->staging)
		codec->staging = shared ? codec->copies : new_frames(codec);
	return codec->staging ? 0 : rj_fail(err, -ENOMEM, "out of memory");
}

int rj_page_codec_own(struct rj_page_codec *codec, struct ramjet_error *err)
{
	if (!codec->own)
		codec->own = new_frames(codec);
	return codec->own ? 0 : rj_fail(err, -ENOMEM, "out of memory");
}

uint8_t *rj_page_codec_scratch(struct rj_page_codec *codec,
			       struct ramjet_error *err)
{
	if (!codec->scratch)
		codec->scratch = aligned_alloc(RAMJET_PAGE_BYTES,
					       (size_t)RJ_SCRATCH_PAGES *
						       RAMJET_PAGE_BYTES);
	if (!codec->scratch)
		(void)rj_fail(err, -ENOMEM, "out of memory");
	return codec->scratch;
}

uint8_t *rj_page_codec_coded(struct rj_page_codec *codec, unsigned frame)
{
	if (!codec->coded)
		codec->coded = new_frames(codec);
	return codec->coded ? codec->coded + (size_t)frame * codec->frame_bytes
			    : NULL;
}

int rj_page_codec_compress(struct rj_page_codec *codec, int32_t level_max,
			   struct ramjet_error *err)
{
	const int rc = rj_page_codec_own(codec, err);

	if (rc)
		return rc;
	if (!codec->group)
		codec->group = aligned_alloc(RAMJET_PAGE_BYTES,
					     (size_t)RJ_GROUP_PAGES *
						     RAMJET_PAGE_BYTES);
	if (!codec->group || !rj_page_codec_coded(codec, 0))
		return rj_fail(err, -ENOMEM, "out of memory");
	return codec->compressor
		       ? 0
		       : rj_compressor_new(level_max, &codec->compressor, err);
}

static int have_pieces(struct rj_page_codec *codec, struct ramjet_error *err)
{
	if (!codec->pieces)
		codec->pieces = calloc(RJ_RUNS_MAX, sizeof(*codec->pieces));
	return codec->pieces ? 0 : rj_fail(err, -ENOMEM, "out of memory");
}

static int have_received(struct rj_page_codec *codec, struct ramjet_error *err)
{
	if (!codec->received)
		codec->received = calloc(1, RJ_PAGES_PAYLOAD_MAX);
	return codec->received ? have_pieces(codec, err)
			       : rj_fail(err, -ENOMEM, "out of memory");
}

static int have_pages(struct rj_page_codec *codec, struct ramjet_error *err)
{
	if (!codec->pages)
		codec->pages =
			aligned_alloc(RAMJET_PAGE_BYTES, RJ_PAGES_PAYLOAD_MAX);
	if (!codec->ranges)
		codec->ranges = calloc(RJ_RUNS_MAX, sizeof(*codec->ranges));
	return codec->pages && codec->ranges
		       ? have_pieces(codec, err)
		       : rj_fail(err, -ENOMEM, "out of memory");
}

/* Its payload comes behind the `*used` bytes of `memory` that are taken. */
static void expect(struct rj_page_codec *codec,
		   const struct rj_run_piece *piece, uint8_t *memory,
		   uint32_t *used, struct iovec *ret)
{
	struct rj_run_piece *mine;

	assert(codec->piece_count < RJ_RUNS_MAX);
	assert(piece->bytes <= RJ_PAGES_PAYLOAD_MAX - *used);
	mine = &codec->pieces[codec->piece_count++];
	*mine = *piece;
	mine->payload = memory + *used;
	*ret = (struct iovec){ memory + *used, piece->bytes };
	*used += piece->bytes;
}

int rj_page_codec_expect(struct rj_page_codec *codec,
			 const struct rj_run_piece *piece, struct iovec *ret,
			 struct ramjet_error *err)
{
	const int rc = have_received(codec, err);

	if (!rc)
		expect(codec, piece, codec->received, &codec->received_bytes,
		       ret);
	return rc;
}

int rj_page_codec_expect_pages(struct rj_page_codec *codec,
			       const struct rj_run_piece *piece,
			       struct iovec *ret, struct ramjet_error *err)
{
	const int rc = have_pages(codec, err);

	if (!rc)
		expect(codec, piece, codec->pages, &codec->pages_bytes, ret);
	return rc;
}
