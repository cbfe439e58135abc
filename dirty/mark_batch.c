/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/mark_batch.h"

#include <string.h>

#include "dirty/bitmap.h"
#include "util/bits.h"

void rj_mark_batch_init(struct rj_mark_batch *batch,
			struct ramjet_dirty_sink *sink, unsigned region)
{
	memset(batch, 0, sizeof(*batch));
	batch->sink = sink;
	batch->region = region;
}

void rj_mark_batch_flush(struct rj_mark_batch *batch)
{
	uint64_t *words = &batch->words[batch->from];
	const size_t count = batch->end - batch->from;

	if (!count)
		return;
	ramjet_dirty_mark_words(batch->sink, batch->region,
				batch->first_page + batch->from * RJ_WORD_BITS,
				words, count);
	memset(words, 0, count * sizeof(*words));
	batch->from = batch->end = 0;
}

/* Bits [first, first + count) of the words. */
static void set_bits(uint64_t *words, uint64_t first, uint64_t count)
{
	while (count) {
		const unsigned bit = (unsigned)(first % RJ_WORD_BITS);
		const uint64_t room = RJ_WORD_BITS - bit;
		const uint64_t taken = count < room ? count : room;

		words[first / RJ_WORD_BITS] |=
			rj_bit_span(bit, (unsigned)taken);
		first += taken;
		count -= taken;
	}
}

/* Bits of one batch. */
static void add(struct rj_mark_batch *batch, uint64_t first, uint64_t count)
{
	const size_t from = first / RJ_CHUNK_PAGES * RJ_CHUNK_WORDS;
	const size_t end =
		rj_div_round_up(first + count, RJ_CHUNK_PAGES) * RJ_CHUNK_WORDS;

	set_bits(batch->words, first, count);
	if (batch->from == batch->end) {
		batch->from = from;
		batch->end = end;
		return;
	}
	if (from < batch->from)
		batch->from = from;
	if (end > batch->end)
		batch->end = end;
}

void rj_mark_batch_add(struct rj_mark_batch *batch, uint64_t first_page,
		       uint64_t page_count)
{
	while (page_count) {
		const uint64_t first = first_page % RJ_BATCH_PAGES;
		const uint64_t room = RJ_BATCH_PAGES - first;
		const uint64_t taken = page_count < room ? page_count : room;

		if (batch->first_page != first_page - first)
			rj_mark_batch_flush(batch);
		batch->first_page = first_page - first;
		add(batch, first, taken);
		first_page += taken;
		page_count -= taken;
	}
}
