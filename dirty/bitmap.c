/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory orders. Four operations decide whether a page can get lost, and all
 * four are sequentially consistent:
 *
 *	setter				claimer
 *	S1 word |= bits			C1 summary &= ~chunk
 *	S2 read summary			C2 read word, exchange if not 0
 *	   and set it if it is clear
 *
 * If C2 misses the bits of S1, then C1 came before C2, C2 before S1, and S1
 * before S2 in the one order of all these operations, so S2 sees the summary
 * bit clear and sets it, or sees it set by somebody who set it after C1;
 * whichever claimer clears it next comes after S1 and finds the bits. So the
 * setter may save the write of the summary when the bit is set already, and
 * the claimer the write of words that read as 0.
 *
 * Everything else is relaxed: next_chunk() and count() only look for places
 * where something may be, and what they find is claimed as above.
 */
#include "dirty/bitmap.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

#include "util/bits.h"
#include "util/error.h"

#define MAX_PAGES (UINT64_C(1) << 40)

static_assert(RJ_CHUNK_WORDS * RJ_WORD_BITS == RJ_CHUNK_PAGES,
	      "a chunk is whole words");
static_assert(RJ_CHUNK_WORDS * sizeof(uint64_t) == 64,
	      "a chunk is one cache line");

int rj_bitmap_init(struct rj_bitmap *bm, uint64_t page_count,
		   struct ramjet_error *err)
{
	uint64_t chunks = rj_div_round_up(page_count, RJ_CHUNK_PAGES);
	uint64_t words = chunks * RJ_CHUNK_WORDS;
	uint64_t summary = rj_div_round_up(chunks, RJ_WORD_BITS);
	size_t bytes;
	void *map;

	if (page_count > MAX_PAGES)
		return rj_fail(err, -EOVERFLOW,
			       "bitmap: %llu pages, at most %llu are possible",
			       (unsigned long long)page_count,
			       (unsigned long long)MAX_PAGES);

	/* One word more, so that no bitmap is an empty mapping. */
	bytes = (words + summary + 1) * sizeof(uint64_t);
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return rj_fail_errno(err, -ENOMEM,
				     "bitmap: no %zu bytes for %llu pages",
				     bytes, (unsigned long long)page_count);

	*bm = (struct rj_bitmap){
		.page_count = page_count,
		.chunk_count = chunks,
		.words = map,
		.summary = (_Atomic uint64_t *)map + words,
		.map_bytes = bytes,
	};
	return 0;
}

void rj_bitmap_done(struct rj_bitmap *bm)
{
	if (bm->words)
		(void)munmap((void *)bm->words, bm->map_bytes);
	*bm = (struct rj_bitmap){ 0 };
}

/* Say that the chunks in `mask` of one summary word may have page bits. */
static void announce(struct rj_bitmap *bm, uint64_t index, uint64_t mask)
{
	if ((atomic_load(&bm->summary[index]) & mask) != mask)
		atomic_fetch_or(&bm->summary[index], mask);
}

static void announce_chunks(struct rj_bitmap *bm, uint64_t first, uint64_t end)
{
	while (first < end) {
		uint64_t index = first / RJ_WORD_BITS;
		unsigned bit = (unsigned)(first % RJ_WORD_BITS);
		uint64_t room = RJ_WORD_BITS - bit;
		uint64_t count = end - first < room ? end - first : room;

		announce(bm, index, rj_bit_span(bit, (unsigned)count));
		first += count;
	}
}

/* The part of [first, first + count) that lies in first's word. */
static uint64_t head_mask(uint64_t first, uint64_t count, uint64_t *ret_count)
{
	unsigned bit = (unsigned)(first % RJ_WORD_BITS);
	uint64_t room = RJ_WORD_BITS - bit;

	*ret_count = count < room ? count : room;
	return rj_bit_span(bit, (unsigned)*ret_count);
}

static void assert_in_range(const struct rj_bitmap *bm, uint64_t first_page,
			    uint64_t count)
{
	assert(first_page <= bm->page_count);
	assert(count <= bm->page_count - first_page);
	(void)bm;
	(void)first_page;
	(void)count;
}

uint64_t rj_bitmap_set_run(struct rj_bitmap *bm, uint64_t first_page,
			   uint64_t count)
{
	uint64_t page = first_page;
	uint64_t left = count;
	uint64_t added = 0;

	assert_in_range(bm, first_page, count);
	if (!count)
		return 0;

	while (left) {
		uint64_t taken;
		uint64_t mask = head_mask(page, left, &taken);
		uint64_t old =
			atomic_fetch_or(&bm->words[page / RJ_WORD_BITS], mask);

		added += rj_popcount(mask & ~old);
		page += taken;
		left -= taken;
	}
	announce_chunks(bm, first_page / RJ_CHUNK_PAGES,
			(first_page + count - 1) / RJ_CHUNK_PAGES + 1);
	return added;
}

uint64_t rj_bitmap_clear_run(struct rj_bitmap *bm, uint64_t first_page,
			     uint64_t count)
{
	uint64_t removed = 0;

	assert_in_range(bm, first_page, count);
	while (count) {
		uint64_t taken;
		uint64_t mask = head_mask(first_page, count, &taken);
		_Atomic uint64_t *word = &bm->words[first_page / RJ_WORD_BITS];

		/* A bit set after this load was set after the clearing. */
		if (atomic_load(word) & mask)
			removed += rj_popcount(mask &
					       atomic_fetch_and(word, ~mask));
		first_page += taken;
		count -= taken;
	}
	return removed;
}

/* OR up to one chunk's worth of words in; none of them crosses the chunk. */
static uint64_t or_in_chunk(struct rj_bitmap *bm, uint64_t first_word,
			    const uint64_t *words, size_t count)
{
	uint64_t chunk = first_word / RJ_CHUNK_WORDS;
	uint64_t added = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t old;

		if (!words[i])
			continue;
		old = atomic_fetch_or(&bm->words[first_word + i], words[i]);
		added += rj_popcount(words[i] & ~old);
	}
	announce(bm, chunk / RJ_WORD_BITS,
		 UINT64_C(1) << (chunk % RJ_WORD_BITS));
	return added;
}

static bool all_zero(const uint64_t *words, size_t count)
{
	uint64_t any = 0;

	if (rj_likely(count == RJ_CHUNK_WORDS))
		return !((words[0] | words[1] | words[2] | words[3]) |
			 (words[4] | words[5] | words[6] | words[7]));
	for (size_t i = 0; i < count; i++)
		any |= words[i];
	return !any;
}

uint64_t rj_bitmap_or_words(struct rj_bitmap *bm, uint64_t first_page,
			    const uint64_t *words, size_t count)
{
	uint64_t word = first_page / RJ_WORD_BITS;
	uint64_t whole = bm->page_count / RJ_WORD_BITS;
	unsigned tail_bits = (unsigned)(bm->page_count % RJ_WORD_BITS);
	uint64_t added = 0;

	assert(first_page % RJ_WORD_BITS == 0);
	assert(first_page <= bm->page_count);
	if (count > whole - word) {
		/* The last word is partly, the others wholly past the end. */
		uint64_t tail = tail_bits ? words[whole - word] &
						    rj_bit_span(0, tail_bits)
					  : 0;

		count = whole - word;
		if (tail)
			added += or_in_chunk(bm, whole, &tail, 1);
	}
	while (count) {
		size_t room = RJ_CHUNK_WORDS - word % RJ_CHUNK_WORDS;
		size_t taken = count < room ? count : room;

		if (!all_zero(words, taken))
			added += or_in_chunk(bm, word, words, taken);
		word += taken;
		words += taken;
		count -= taken;
	}
	return added;
}

bool rj_bitmap_test(const struct rj_bitmap *bm, uint64_t page)
{
	assert_in_range(bm, page, 1);
	return atomic_load(&bm->words[page / RJ_WORD_BITS]) >>
		       (page % RJ_WORD_BITS) &
	       1;
}

uint64_t rj_bitmap_count(const struct rj_bitmap *bm)
{
	uint64_t count = 0;

	for (uint64_t chunk = rj_bitmap_next_chunk(bm, 0, bm->chunk_count);
	     chunk < bm->chunk_count;
	     chunk = rj_bitmap_next_chunk(bm, chunk + 1, bm->chunk_count)) {
		_Atomic uint64_t *words = &bm->words[chunk * RJ_CHUNK_WORDS];

		for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++)
			count += rj_popcount(atomic_load_explicit(
				&words[i], memory_order_relaxed));
	}
	return count;
}

uint64_t rj_bitmap_next_chunk(const struct rj_bitmap *bm, uint64_t from,
			      uint64_t end)
{
	uint64_t index = from / RJ_WORD_BITS;
	uint64_t last = rj_div_round_up(end, RJ_WORD_BITS);
	uint64_t ignore;

	assert(end <= bm->chunk_count);
	if (from >= end)
		return end;
	ignore = ~(~UINT64_C(0) << (from % RJ_WORD_BITS));
	for (; index < last; index++) {
		uint64_t word = atomic_load_explicit(&bm->summary[index],
						     memory_order_relaxed) &
				~ignore;

		if (word) {
			uint64_t chunk =
				index * RJ_WORD_BITS + rj_lowest_bit(word);

			return chunk < end ? chunk : end;
		}
		ignore = 0;
	}
	return end;
}

unsigned rj_bitmap_claim_chunk(struct rj_bitmap *bm, uint64_t chunk,
			       uint64_t out[RJ_CHUNK_WORDS])
{
	_Atomic uint64_t *words = &bm->words[chunk * RJ_CHUNK_WORDS];
	_Atomic uint64_t *summary = &bm->summary[chunk / RJ_WORD_BITS];
	uint64_t bit = UINT64_C(1) << (chunk % RJ_WORD_BITS);
	unsigned taken = 0;

	assert(chunk < bm->chunk_count);
	/* Whoever sees it clear has come after its last claimer began; bits
	 * set since then have announced themselves or are about to. */
	if (atomic_load(summary) & bit)
		atomic_fetch_and(summary, ~bit);
	for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++) {
		uint64_t bits;

		if (!atomic_load(&words[i]))
			continue;
		bits = atomic_exchange(&words[i], 0);
		taken += rj_popcount(bits);
		out[i] |= bits;
	}
	return taken;
}

struct rj_run rj_words_next_run(const uint64_t *words, uint64_t bit_count,
				uint64_t from)
{
	uint64_t last = rj_div_round_up(bit_count, RJ_WORD_BITS);
	uint64_t index = from / RJ_WORD_BITS;
	uint64_t first;
	uint64_t end;
	uint64_t word;

	if (from >= bit_count)
		return (struct rj_run){ bit_count, 0 };

	word = words[index] & (~UINT64_C(0) << (from % RJ_WORD_BITS));
	while (!word) {
		if (++index == last)
			return (struct rj_run){ bit_count, 0 };
		word = words[index];
	}
	first = index * RJ_WORD_BITS + rj_lowest_bit(word);
	if (first >= bit_count)
		return (struct rj_run){ bit_count, 0 };

	word = ~words[index] & (~UINT64_C(0) << (first % RJ_WORD_BITS));
	while (!word && ++index < last)
		word = ~words[index];
	end = word ? index * RJ_WORD_BITS + rj_lowest_bit(word) : bit_count;
	if (end > bit_count)
		end = bit_count;
	return (struct rj_run){ first, end - first };
}
