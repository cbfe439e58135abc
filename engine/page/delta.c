/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/delta.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"

#define PAGE RAMJET_PAGE_BYTES
/* Two stretches with no more than this between them are one: the numbers of
 * another would take as much. */
#define GAP 2u
/* A stretch's two numbers. */
#define NUMBERS_MAX 4u
#define LONG_NUMBER 0x80u
/* zstd takes several times as long as this does, and where little has changed
 * finds nothing more: decision 041. */
#define TRY_ZSTD_BYTES (PAGE / 4)
/* zstd has not made this many smaller by an eighth: from then on it is asked
 * for one in so many only. Chosen. */
#define IN_VAIN_MAX  8u
#define LEFT_OUT_MAX 16u

void rj_delta_coder_done(struct rj_delta_coder *coder)
{
	rj_zstd_delta_done(&coder->zstd);
	*coder = (struct rj_delta_coder){ 0 };
}

/* The first byte from `at` on that differs. */
static uint32_t differs_from(const uint8_t *base, const uint8_t *page,
			     uint32_t at)
{
	while (at + 4 * sizeof(uint64_t) <= PAGE) {
		uint64_t was[4], is[4];

		memcpy(was, base + at, sizeof(was));
		memcpy(is, page + at, sizeof(is));
		if ((was[0] ^ is[0]) | (was[1] ^ is[1]) | (was[2] ^ is[2]) |
		    (was[3] ^ is[3]))
			break;
		at += sizeof(was);
	}
	while (at < PAGE && base[at] == page[at])
		at++;
	return at;
}

/* Where the stretch that begins at `at` ends: from there on more than GAP bytes
 * are as they were, or the page ends. */
static uint32_t stretch_end(const uint8_t *base, const uint8_t *page,
			    uint32_t at)
{
	uint32_t end = ++at;

	while (at < PAGE && at - end <= GAP) {
		at++;
		if (base[at - 1] != page[at - 1])
			end = at;
	}
	return end;
}

static uint32_t put_number(uint8_t *out, uint32_t number)
{
	if (number < LONG_NUMBER) {
		out[0] = (uint8_t)number;
		return 1;
	}
	out[0] = (uint8_t)(LONG_NUMBER | number >> 8);
	out[1] = (uint8_t)number;
	return 2;
}

/* 0: there is no room for it. */
static uint32_t encode_runs(const uint8_t *base, const uint8_t *page,
			    uint8_t *out)
{
	uint32_t at = 0, used = 0;

	out[used++] = RJ_DELTA_RUNS;
	for (;;) {
		const uint32_t from = differs_from(base, page, at);
		uint32_t bytes;

		if (from == PAGE)
			return used;
		bytes = stretch_end(base, page, from) - from;
		if (used + NUMBERS_MAX + bytes > RJ_DELTA_BYTES_MAX)
			return 0;
		used += put_number(out + used, from - at);
		used += put_number(out + used, bytes);
		memcpy(out + used, page + from, bytes);
		used += bytes;
		at = from + bytes;
	}
}

/* Is it zstd's turn, after what has come of it? */
static bool is_tried(struct rj_delta_coder *coder)
{
	if (coder->in_vain < IN_VAIN_MAX)
		return true;
	if (++coder->left_out < LEFT_OUT_MAX)
		return false;
	coder->left_out = 0;
	return true;
}

uint32_t rj_delta_encode(struct rj_delta_coder *coder, const uint8_t *base,
			 const uint8_t *page, bool zstd, uint8_t *out)
{
	const uint32_t runs = encode_runs(base, page, out);
	uint8_t other[RJ_DELTA_BYTES_MAX];
	uint32_t bytes;

	if (!zstd || (runs && runs < TRY_ZSTD_BYTES) || !is_tried(coder))
		return runs;
	/* Worth it only if it is an eighth less: who receives it takes longer,
	 * too. */
	bytes = runs ? runs - runs / 8 : RJ_DELTA_BYTES_MAX;
	bytes = rj_zstd_delta_pack(&coder->zstd, base, page, other + 1,
				   bytes - 1);
	coder->in_vain = bytes ? 0 : coder->in_vain + 1;
	if (!bytes)
		return runs;
	other[0] = RJ_DELTA_ZSTD;
	memcpy(out, other, bytes + 1);
	return bytes + 1;
}

/* A number of a coded difference, which moves on; its end may come first. */
static bool get_number(const uint8_t **from, const uint8_t *end, uint32_t *ret)
{
	uint32_t number;

	if (*from == end)
		return false;
	number = *(*from)++;
	if (number & LONG_NUMBER) {
		if (*from == end)
			return false;
		number = (number & ~LONG_NUMBER) << 8 | *(*from)++;
		if (number < LONG_NUMBER)
			return false;
	}
	*ret = number;
	return true;
}

static int apply_runs(const uint8_t *base, const uint8_t *coded, size_t bytes,
		      uint8_t *out, struct ramjet_error *err)
{
	const uint8_t *end = coded + bytes;
	uint32_t at = 0;

	memcpy(out, base, PAGE);
	while (coded < end) {
		uint32_t stays, changes;

		if (!get_number(&coded, end, &stays) ||
		    !get_number(&coded, end, &changes) || !changes)
			return rj_fail(err, -EPROTO,
				       "delta: a stretch without its length");
		if (stays > PAGE - at || changes > PAGE - at - stays)
			return rj_fail(err, -EPROTO,
				       "delta: %u bytes at %u, the page ends "
				       "at %u",
				       changes, at + stays, PAGE);
		if (changes > (size_t)(end - coded))
			return rj_fail(err, -EPROTO,
				       "delta: %u bytes change, it has %zu",
				       changes, (size_t)(end - coded));
		memcpy(out + at + stays, coded, changes);
		coded += changes;
		at += stays + changes;
	}
	return 0;
}

int rj_delta_apply(struct rj_delta_coder *coder, const uint8_t *base,
		   const uint8_t *coded, size_t bytes, uint8_t *out,
		   struct ramjet_error *err)
{
	if (!bytes)
		return rj_fail(err, -EPROTO, "delta: empty");
	switch (coded[0]) {
	case RJ_DELTA_RUNS:
		return apply_runs(base, coded + 1, bytes - 1, out, err);
	case RJ_DELTA_ZSTD:
		return rj_zstd_delta_unpack(&coder->zstd, base, coded + 1,
					    bytes - 1, out, err);
	default:
		return rj_fail(err, -EPROTO,
			       "delta: made in an unknown way, %u", coded[0]);
	}
}
