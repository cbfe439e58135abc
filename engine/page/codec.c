/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/codec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "util/error.h"

void rj_page_codec_init(struct rj_page_codec *codec, uint32_t frame_bytes)
{
	*codec = (struct rj_page_codec){ .frame_bytes = frame_bytes };
}

void rj_page_codec_done(struct rj_page_codec *codec)
{
	free(codec->copies);
	free(codec->coded);
	free(codec->pieces);
	free(codec->received);
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

uint8_t *rj_page_codec_coded(struct rj_page_codec *codec, unsigned frame)
{
	if (!codec->coded)
		codec->coded = new_frames(codec);
	return codec->coded ? codec->coded + (size_t)frame * codec->frame_bytes
			    : NULL;
}

static int have_room(struct rj_page_codec *codec, struct ramjet_error *err)
{
	if (!codec->pieces)
		codec->pieces = calloc(RJ_RUNS_MAX, sizeof(*codec->pieces));
	if (!codec->received)
		codec->received = calloc(1, RJ_PAGES_PAYLOAD_MAX);
	return codec->pieces && codec->received
		       ? 0
		       : rj_fail(err, -ENOMEM, "out of memory");
}

int rj_page_codec_expect(struct rj_page_codec *codec,
			 const struct rj_run_piece *piece, struct iovec *ret,
			 struct ramjet_error *err)
{
	struct rj_run_piece *mine;
	const int rc = have_room(codec, err);

	if (rc)
		return rc;
	assert(codec->piece_count < RJ_RUNS_MAX);
	assert(piece->bytes <= RJ_PAGES_PAYLOAD_MAX - codec->received_bytes);
	mine = &codec->pieces[codec->piece_count++];
	*mine = *piece;
	mine->payload = codec->received + codec->received_bytes;
	*ret = (struct iovec){ codec->received + codec->received_bytes,
			       piece->bytes };
	codec->received_bytes += piece->bytes;
	return 0;
}
