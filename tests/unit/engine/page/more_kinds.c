/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/page/more_kinds.h"

#include <errno.h>
#include <string.h>

#include "engine/page/cut.h"
#include "engine/page/zero.h"
#include "engine/page/zero_run.h"
#include "util/error.h"

/* Worth it, for a page. */
#define SHORT_BYTES 3500u

_Atomic uint64_t more_placed[RJ_RUN_KINDS];
_Atomic uint64_t more_given_up;

/* Guest memory is read and written by its words, as its owner does. */
RJ_GUEST_MEMORY static uint64_t get(const uint8_t *page, unsigned i)
{
	return ((const volatile uint64_t *)(const void *)page)[i];
}

RJ_GUEST_MEMORY static void put(uint8_t *page, unsigned i, uint64_t word)
{
	((volatile uint64_t *)(void *)page)[i] = word;
}

/* Words up to the last that is not 0. */
static unsigned length_of(const uint8_t *page)
{
	unsigned words = MORE_WORDS;

	while (words && !get(page, words - 1))
		words--;
	return words;
}

static bool is_one_word(const uint8_t *page)
{
	for (unsigned i = 1; i < MORE_WORDS; i++)
		if (get(page, i) != get(page, 0))
			return false;
	return true;
}

static uint8_t *page_of(const struct rj_run_piece *piece, uint32_t i)
{
	return piece->block->host + (piece->run.page + i) * RAMJET_PAGE_BYTES;
}

static void fill(uint8_t *page, uint64_t word)
{
	for (unsigned i = 0; i < MORE_WORDS; i++)
		put(page, i, word);
}

/* ---- a word a page ------------------------------------------------------- */

static uint32_t encode_word(struct rj_page_codec *codec, const uint8_t *pages,
			    uint32_t count, uint8_t *out)
{
	(void)codec;
	for (uint32_t i = 0; i < count; i++) {
		const uint64_t word =
			get(pages + (size_t)i * RAMJET_PAGE_BYTES, 0);

		memcpy(out + i * sizeof(word), &word, sizeof(word));
	}
	return count * (uint32_t)sizeof(uint64_t);
}

static int place_word(struct rj_page_codec *codec,
		      const struct rj_run_piece *piece,
		      struct ramjet_error *err)
{
	uint64_t word;

	(void)codec;
	(void)err;
	for (uint32_t i = 0; i < piece->run.count; i++) {
		memcpy(&word, piece->payload + i * sizeof(word), sizeof(word));
		fill(page_of(piece, i), word);
	}
	more_placed[piece->run.kind] += piece->run.count;
	return 0;
}

/* ---- a base a run -------------------------------------------------------- */

static uint32_t encode_counted(struct rj_page_codec *codec,
			       const uint8_t *pages, uint32_t count,
			       uint8_t *out)
{
	const uint64_t base = get(pages, 0);

	(void)codec;
	(void)count;
	memcpy(out, &base, sizeof(base));
	return sizeof(base);
}

static int check_counted(const struct rj_run_piece *piece,
			 struct ramjet_error *err)
{
	uint64_t base;

	memcpy(&base, piece->payload, sizeof(base));
	if (base != UINT64_MAX)
		return 0;
	return rj_fail(err, -EPROTO, "counted run: it has no base");
}

static int place_counted(struct rj_page_codec *codec,
			 const struct rj_run_piece *piece,
			 struct ramjet_error *err)
{
	uint64_t base;

	(void)codec;
	(void)err;
	memcpy(&base, piece->payload, sizeof(base));
	for (uint32_t i = 0; i < piece->run.count; i++)
		fill(page_of(piece, i), base + i);
	more_placed[piece->run.kind] += piece->run.count;
	return 0;
}

/* ---- told ---------------------------------------------------------------- */

static uint32_t encode_short(struct rj_page_codec *codec, const uint8_t *pages,
			     uint32_t count, uint8_t *out)
{
	uint32_t at = 0;

	(void)codec;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *page = pages + (size_t)i * RAMJET_PAGE_BYTES;
		const uint16_t words = (uint16_t)length_of(page);

		if (at + sizeof(words) + words * sizeof(uint64_t) >
		    (uint64_t)count * SHORT_BYTES) {
			more_given_up += count;
			return 0;
		}
		memcpy(out + at, &words, sizeof(words));
		at += sizeof(words);
		for (unsigned k = 0; k < words; k++, at += 8) {
			const uint64_t word = get(page, k);

			memcpy(out + at, &word, sizeof(word));
		}
	}
	return at;
}

static int check_short(const struct rj_run_piece *piece,
		       struct ramjet_error *err)
{
	uint32_t at = 0;
	uint16_t words;

	for (uint32_t i = 0; i < piece->run.count; i++) {
		if (piece->bytes - at < sizeof(words))
			return rj_fail(err, -EPROTO, "short run: cut short");
		memcpy(&words, piece->payload + at, sizeof(words));
		at += sizeof(words);
		if (words > MORE_WORDS ||
		    piece->bytes - at < words * sizeof(uint64_t))
			return rj_fail(err, -EPROTO, "short run: cut short");
		at += words * (uint32_t)sizeof(uint64_t);
	}
	return at == piece->bytes
		       ? 0
		       : rj_fail(err, -EPROTO, "short run: bytes too many");
}

static int place_short(struct rj_page_codec *codec,
		       const struct rj_run_piece *piece,
		       struct ramjet_error *err)
{
	const uint8_t *from = piece->payload;
	uint64_t word;
	uint16_t words;

	(void)codec;
	(void)err;
	for (uint32_t i = 0; i < piece->run.count; i++) {
		memcpy(&words, from, sizeof(words));
		from += sizeof(words);
		for (unsigned k = 0; k < MORE_WORDS; k++) {
			word = 0;
			if (k < words) {
				memcpy(&word, from, sizeof(word));
				from += sizeof(word);
			}
			put(page_of(piece, i), k, word);
		}
	}
	more_placed[piece->run.kind] += piece->run.count;
	return 0;
}

/* ---- in the engine's place ----------------------------------------------- */

const struct rj_run_row rj_run_rows[RJ_RUN_KINDS] = {
	[RJ_RUN_RAW] = {
		.name = "raw",
		.page_bytes = RAMJET_PAGE_BYTES,
		.in_place = true,
		.fills = true,
		.counter = offsetof(struct rj_counters, normal_pages),
	},
	[RJ_RUN_ZERO] = {
		.name = "zero",
		.place = rj_zero_run_place,
		.counter = offsetof(struct rj_counters, zero_pages),
	},
	[MORE_WORD] = {
		.name = "word",
		.page_bytes = sizeof(uint64_t),
		.fills = true,
		.encode = encode_word,
		.place = place_word,
		.counter = offsetof(struct rj_counters, normal_pages),
	},
	[MORE_COUNTED] = {
		.name = "counted",
		.run_bytes = sizeof(uint64_t),
		.fills = true,
		.encode = encode_counted,
		.check = check_counted,
		.place = place_counted,
		.counter = offsetof(struct rj_counters, normal_pages),
	},
	[MORE_SHORT] = {
		.name = "short",
		.told = true,
		.fills = true,
		.encode = encode_short,
		.check = check_short,
		.place = place_short,
		.counter = offsetof(struct rj_counters, normal_pages),
	},
};

static enum rj_run_kind choose(const uint8_t *page)
{
	if (rj_page_is_zero(page))
		return RJ_RUN_ZERO;
	if (is_one_word(page))
		return get(page, 0) >> 48 == MORE_BASE >> 48
			       ? (enum rj_run_kind)MORE_COUNTED
			       : (enum rj_run_kind)MORE_WORD;
	/* Some of these turn out to be hardly shorter. */
	return get(page, MORE_WORDS - 1) ? RJ_RUN_RAW
					 : (enum rj_run_kind)MORE_SHORT;
}

static bool goes_on(const uint8_t *first, const uint8_t *page, uint64_t i,
		    enum rj_run_kind kind)
{
	return choose(page) == kind &&
	       (kind != (enum rj_run_kind)MORE_COUNTED ||
		get(page, 0) == get(first, 0) + i);
}

uint32_t rj_page_cut(struct rj_page_codec *codec, const uint8_t *host,
		     uint64_t page, uint64_t end, enum rj_run_kind *ret)
{
	const uint8_t *first = host + page * RAMJET_PAGE_BYTES;
	uint32_t count = 1;

	(void)codec;
	*ret = choose(first);
	while (page + count < end &&
	       goes_on(first, first + (size_t)count * RAMJET_PAGE_BYTES, count,
		       *ret))
		count++;
	return count;
}
