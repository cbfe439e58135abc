/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/coding.h"

#include <assert.h>

#include "engine/page/foreign_memory.h"
#include "engine/page/group.h"

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

/* All pieces whose payload is their pages, with one call. They lie one after
 * another, whatever stands between them. */
static int write_pages(struct rj_page_codec *codec, struct ramjet_error *err)
{
	const struct rj_run_piece *first = NULL;
	size_t count = 0;

	for (unsigned i = 0; i < codec->piece_count; i++) {
		const struct rj_run_piece *piece = &codec->pieces[i];

		if (!is_pages(piece))
			continue;
		first = first ? first : piece;
		codec->ranges[count++] = (struct ramjet_memory_range){
			piece->run.page * RAMJET_PAGE_BYTES,
			piece->bytes,
		};
	}
	return first ? rj_foreign_write(first->block, codec->ranges, count,
					first->payload, err)
		     : 0;
}

static int check(const struct rj_page_codec *codec, unsigned i,
		 struct ramjet_error *err)
{
	const struct rj_run_piece *piece = &codec->pieces[i];
	const struct rj_run_row *row = &rj_run_rows[piece->run.kind];

	if (row->group == RJ_GROUP_BEGINS)
		return rj_group_check(codec, i, err);
	return row->check ? row->check(piece, err) : 0;
}

static int place(struct rj_page_codec *codec, unsigned i,
		 struct ramjet_error *err)
{
	const struct rj_run_piece *piece = &codec->pieces[i];
	const struct rj_run_row *row = &rj_run_rows[piece->run.kind];

	if (row->group == RJ_GROUP_BEGINS)
		return rj_group_place(codec, i, err);
	/* Placed with the one that began the group. */
	if (row->group == RJ_GROUP_JOINS)
		return 0;
	return row->place(codec, piece, err);
}

int rj_page_place(struct rj_page_codec *codec, struct ramjet_error *err)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < codec->piece_count; i++)
		rc = check(codec, i, err);
	if (!rc)
		rc = write_pages(codec, err);
	for (unsigned i = 0; !rc && i < codec->piece_count; i++)
		if (!is_pages(&codec->pieces[i]))
			rc = place(codec, i, err);
	return rc;
}
