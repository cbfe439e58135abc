/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/coding.h"

#include <assert.h>

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

int rj_page_place(struct rj_page_codec *codec, struct ramjet_error *err)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < codec->piece_count; i++) {
		const struct rj_run_piece *piece = &codec->pieces[i];

		if (rj_run_rows[piece->run.kind].check)
			rc = rj_run_rows[piece->run.kind].check(piece, err);
	}
	for (unsigned i = 0; !rc && i < codec->piece_count; i++) {
		const struct rj_run_piece *piece = &codec->pieces[i];

		rc = rj_run_rows[piece->run.kind].place(codec, piece, err);
	}
	return rc;
}
