/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/delta_run.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "engine/page/delta_sum.h"
#include "engine/page/memory.h"
#include "engine/page/page_copy.h"
#include "engine/wire/bytes.h"
#include "util/error.h"

/* A page's part of a run's payload. */
struct part {
	uint64_t page;
	uint32_t length;
	uint64_t sum;
	const uint8_t *bytes;
};

void rj_delta_run_head(uint8_t out[RJ_DELTA_HEAD_BYTES], uint64_t sum,
		       uint32_t bytes)
{
	assert(bytes && bytes < RAMJET_PAGE_BYTES);
	rj_put16(out, (uint16_t)bytes);
	rj_put64(out + sizeof(uint16_t), sum);
}

uint32_t rj_delta_run_encode(struct rj_page_codec *codec, const uint8_t *pages,
			     uint32_t count, uint8_t *out)
{
	(void)pages;
	(void)count;
	memcpy(out, codec->delta, codec->delta_bytes);
	return codec->delta_bytes;
}

static int refuse(const struct rj_run_piece *piece, uint64_t page,
		  struct ramjet_error *err)
{
	rj_error_prefix(err, "block %s, page %llu", piece->block->name,
			(unsigned long long)page);
	return err->code;
}

/* The part at *at, which moves on; it may reach beyond the end. */
static bool next_part(const uint8_t **at, const uint8_t *end, struct part *ret)
{
	size_t bytes;

	if (end - *at < 2)
		return false;
	ret->length = rj_get16(*at);
	*at += sizeof(uint16_t);
	if (ret->length > RAMJET_PAGE_BYTES)
		return false;
	bytes = ret->length;
	if (ret->length && ret->length < RAMJET_PAGE_BYTES)
		bytes += sizeof(uint64_t);
	if ((size_t)(end - *at) < bytes)
		return false;
	ret->bytes = *at;
	*at += bytes;
	if (bytes == ret->length)
		return true;
	ret->sum = rj_get64(ret->bytes);
	ret->bytes += sizeof(uint64_t);
	return true;
}

int rj_delta_run_check(const struct rj_run_piece *piece,
		       struct ramjet_error *err)
{
	const uint8_t *at = piece->payload, *end = at + piece->bytes;
	struct part part;

	for (uint32_t i = 0; i < piece->run.count; i++) {
		if (next_part(&at, end, &part))
			continue;
		(void)rj_fail(err, -EPROTO,
			      "delta: the run's payload of %u bytes ends in "
			      "it, or it is too long",
			      piece->bytes);
		return refuse(piece, piece->run.page + i, err);
	}
	if (at == end)
		return 0;
	return rj_fail(err, -EPROTO,
		       "block %s, page %llu: deltas: %zu bytes after those of "
		       "%u pages",
		       piece->block->name, (unsigned long long)piece->run.page,
		       (size_t)(end - at), piece->run.count);
}

/* Of a copy of what there is, what it becomes; each has a page of memory. */
static int build(struct rj_page_codec *codec, const struct rj_run_piece *piece,
		 const struct part *part, uint8_t *base, uint8_t *made,
		 struct ramjet_error *err)
{
	const uint8_t *was =
		rj_pages_look(piece->block, part->page, 1, made, err);
	uint64_t sum;

	if (!was)
		return err->code;
	rj_page_copy(base, was, RAMJET_PAGE_BYTES);
	sum = rj_delta_sum(base);
	if (sum != part->sum)
		return rj_fail(err, -EPROTO,
			       "delta: builds on a copy with sum 0x%016llx, "
			       "the page's is 0x%016llx",
			       (unsigned long long)part->sum,
			       (unsigned long long)sum);
	return rj_delta_apply(&codec->deltas, base, part->bytes, part->length,
			      made, err);
}

static int place(struct rj_page_codec *codec, const struct rj_run_piece *piece,
		 const struct part *part, struct ramjet_error *err)
{
	uint8_t *made;
	int rc;

	if (!part->length)
		return 0;
	made = rj_page_codec_scratch(codec, err);
	if (!made)
		return -ENOMEM;
	if (part->length < RAMJET_PAGE_BYTES) {
		rc = build(codec, piece, part, made + RAMJET_PAGE_BYTES, made,
			   err);
		if (rc)
			return refuse(piece, part->page, err);
	} else {
		/* In the payload it lies anywhere. */
		memcpy(made, part->bytes, RAMJET_PAGE_BYTES);
	}
	return rj_pages_write(piece->block, part->page, 1, made, err);
}

int rj_delta_run_place(struct rj_page_codec *codec,
		       const struct rj_run_piece *piece,
		       struct ramjet_error *err)
{
	const uint8_t *at = piece->payload, *end = at + piece->bytes;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < piece->run.count; i++) {
		struct part part = { .page = piece->run.page + i };

		(void)next_part(&at, end, &part); /* checked */
		rc = place(codec, piece, &part, err);
	}
	return rc;
}

int rj_same_run_place(struct rj_page_codec *codec,
		      const struct rj_run_piece *piece,
		      struct ramjet_error *err)
{
	(void)codec;
	(void)piece;
	(void)err;
	return 0;
}
