/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/coding.h"

#include <assert.h>

#include "engine/page/foreign_memory.h"

struct rj_page_payload rj_page_encode(struct rj_page_codec *codec,
				      unsigned frame, uint32_t used,
				      const uint8_t *pages, uint32_t count,
				      enum rj_run_kind kind)
{
	uint8_t *out = rj_page_codec_coded(codec, frame);
	uint32_t bytes = 0;

	if (out)
		bytes = rj_run_rows[kind].encode(codec, pages, count,
						 out + used);
	assert(bytes <= count * RAMJET_PAGE_BYTES);
	if (!bytes)
		return rj_page_payload_raw(pages, count, RJ_RUN_RAW);
	return (struct rj_page_payload){ out + used, bytes, kind };
}

static bool is_pages(const struct rj_run_piece *piece)
{
	return rj_run_rows[piece->run.kind].in_place;
}

/* The pages of piece `*next` and of those behind it, up to the first whose payload
 * is something else, with one call. They lie one after another. */
static int write_pages(struct rj_page_codec *codec, unsigned *next,
		       struct ramjet_error *err)
{
	const struct rj_run_piece *first = &codec->pieces[*next];
	size_t count = 0;

	for (; *next < codec->piece_count && is_pages(&codec->pieces[*next]);
	     (*next)++) {
		const struct rj_run_piece *piece = &codec->pieces[*next];

		codec->ranges[count++] = (struct ramjet_memory_range){
			piece->run.page * RAMJET_PAGE_BYTES,
			piece->bytes,
		};
	}
	return rj_foreign_write(first->block, codec->ranges, count,
				first->payload, err);
}

int rj_page_place(struct rj_page_codec *codec, struct ramjet_error *err)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < codec->piece_count; i++) {
		const struct rj_run_piece *piece = &codec->pieces[i];

		if (rj_run_rows[piece->run.kind].check)
			rc = rj_run_rows[piece->run.kind].check(piece, err);
	}
	for (unsigned i = 0; !rc && i < codec->piece_count;) {
		const struct rj_run_piece *piece = &codec->pieces[i];

		if (is_pages(piece)) {
			rc = write_pages(codec, &i, err);
			continue;
		}
		rc = rj_run_rows[piece->run.kind].place(codec, piece, err);
		i++;
	}
	return rc;
}
