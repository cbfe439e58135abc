/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The 64 chunks of a summary word are a group: their words and that summary
 * word change under the group's lock, a byte of its own. So a claim costs one
 * locked instruction, and so does merging 64 chunks; locked instructions are
 * what dense bitmaps would otherwise spend most of their time on. Claimers hold
 * it for some ten nanoseconds, a merge for the microsecond that 8 KiB take.
 *
 * When the lock is released, a chunk with a page bit has its summary bit.
 *
 * Who looks without the lock, sees what was true a moment ago: next_chunk()
 * and claim_chunk() may overlook a page that is being set right now, which
 * stays set, as if they had come just before. Relaxed is enough for that.
 */
#include "dirty/bitmap.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "dirty/bit_memory.h"
#include "util/bits.h"
#include "util/error.h"

/* 4 PiB: all that x86-64 and arm64 can address physically (52 bits). */
#define MAX_PAGES (UINT64_C(1) << 40)
/* How often to look at a lock before its holder is taken to have lost its
 * CPU. Chosen: some tens of microseconds, where a lock is held for one at most. */
#define SPINS 1000u
/* So many chunks are fetched before they are needed: of a log, and of a dense
 * bitmap. Where few of a group's 64 chunks are wanted, they are fetched all at
 * once. Chosen; what they bring together is measured (decision 019). */
#define LOG_AHEAD    32u
#define CHUNKS_AHEAD 16u
#define FEW_CHUNKS   32u

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
	_Atomic uint64_t *map_words;
	size_t bytes;
	void *map;
	int rc;

	if (page_count > MAX_PAGES)
		return rj_fail(err, -EOVERFLOW,
			       "bitmap: %llu pages, at most %llu are possible",
			       (unsigned long long)page_count,
			       (unsigned long long)MAX_PAGES);

	/* One word more, so that no bitmap is an empty mapping. */
	bytes = (words + summary + 1) * sizeof(uint64_t) + summary;
	rc = rj_bit_memory_map("bitmap", bytes, &map, err);
	if (rc)
		return rc;

	map_words = map;
	*bm = (struct rj_bitmap){
		.page_count = page_count,
		.chunk_count = chunks,
		.words = map_words,
		.summary = map_words + words,
		.locks = (_Atomic uint8_t *)(map_words + words + summary + 1),
		.map_bytes = bytes,
	};
	return 0;
}

void rj_bitmap_done(struct rj_bitmap *bm)
{
	rj_bit_memory_unmap((void *)bm->words, bm->map_bytes);
	*bm = (struct rj_bitmap){ 0 };
}

/* ---- a group and its lock ---------------------------------------------- */

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/* Sleeping, not yielding: the holder may have less priority than we. */
RJ_COLD static void wait_for(_Atomic uint8_t *lock)
{
	static const struct timespec moment = { .tv_nsec = 20000 };

	for (;;) {
		for (unsigned i = 0; i < SPINS; i++) {
			if (!atomic_load_explicit(lock, memory_order_relaxed))
				return;
			pause_briefly();
		}
		(void)nanosleep(&moment, NULL);
	}
}

static void lock_group_of(struct rj_bitmap *bm, uint64_t chunk)
{
	_Atomic uint8_t *lock = &bm->locks[chunk / RJ_WORD_BITS];

	/* Acquire: pairs with the release of the last holder. */
	while (rj_unlikely(
		atomic_exchange_explicit(lock, 1, memory_order_acquire)))
		wait_for(lock);
}

static void unlock_group_of(struct rj_bitmap *bm, uint64_t chunk)
{
	atomic_store_explicit(&bm->locks[chunk / RJ_WORD_BITS], 0,
			      memory_order_release);
}

/* Words are written with the lock held only; atomic and relaxed for readers
 * without it. */
static uint64_t get(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void put(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

static _Atomic uint64_t *summary_word(const struct rj_bitmap *bm,
				      uint64_t chunk)
{
	return &bm->summary[chunk / RJ_WORD_BITS];
}

static uint64_t summary_bit(uint64_t chunk)
{
	return UINT64_C(1) << (chunk % RJ_WORD_BITS);
}

/* To be fetched, which beyond the end does no harm: nobody looks there. */
RJ_ALWAYS_INLINE const void *words_on(const void *from, uint64_t chunks)
{
	return (const void *)((uintptr_t)from +
			      chunks * RJ_CHUNK_WORDS * sizeof(uint64_t));
}

RJ_ALWAYS_INLINE void fetch_chunk(const struct rj_bitmap *bm, uint64_t chunk)
{
	__builtin_prefetch(words_on((const void *)bm->words, chunk), 1);
}

/* With the group locked: its chunks `some` (bit i: chunk i) may have page
 * bits. */
static void announce(struct rj_bitmap *bm, uint64_t chunk, uint64_t some)
{
	_Atomic uint64_t *word = summary_word(bm, chunk);
	const uint64_t old = get(word);

	/* Written only if it changes: the line is in all workers' caches. */
	if (some & ~old)
		put(word, old | some);
}

/* With the group locked: it has none. */
static void withdraw(struct rj_bitmap *bm, uint64_t chunk)
{
	_Atomic uint64_t *word = summary_word(bm, chunk);

	put(word, get(word) & ~summary_bit(chunk));
}

/*
 * The two loops that dense bitmaps live in, each compiled twice: to count bits
 * is one instruction on all x86 of the last decade, and a call on the first.
 * bench/micro/bitmap.c shows what inlining brings: merging takes 1.3 instead
 * of 2 times as long as memcpy().
 */
RJ_ALWAYS_INLINE unsigned or_word(_Atomic uint64_t *word, uint64_t bits)
{
	uint64_t old = get(word);

	put(word, old | bits);
	return rj_popcount(bits & ~old);
}

RJ_ALWAYS_INLINE unsigned take_word(_Atomic uint64_t *word, uint64_t *out)
{
	uint64_t bits = get(word);

	put(word, 0);
	*out |= bits;
	return rj_popcount(bits);
}

RJ_ALWAYS_INLINE unsigned or_chunk(struct rj_bitmap *bm, uint64_t chunk,
				   const uint64_t *w)
{
	_Atomic uint64_t *to = &bm->words[chunk * RJ_CHUNK_WORDS];

	return or_word(&to[0], w[0]) + or_word(&to[1], w[1]) +
	       or_word(&to[2], w[2]) + or_word(&to[3], w[3]) +
	       or_word(&to[4], w[4]) + or_word(&to[5], w[5]) +
	       or_word(&to[6], w[6]) + or_word(&to[7], w[7]);
}

/* Chunks to merge, all of one group. */
struct merge {
	uint64_t chunk;
	const uint64_t *words;
	unsigned count;
	uint64_t some; /* bit i: chunk + i has something to merge */
	bool few;
};

/* From `chunk` on, to the end of its group, and start fetching what the merge
 * will need: while it waits for the lock, it waits for memory as well. */
RJ_ALWAYS_INLINE struct merge next_merge(const struct rj_bitmap *bm,
					 uint64_t chunk, const uint64_t *words,
					 uint64_t left)
{
	const unsigned room = RJ_WORD_BITS - (unsigned)(chunk % RJ_WORD_BITS);
	struct merge m = {
		.chunk = chunk,
		.words = words,
		.count = left < room ? (unsigned)left : room,
	};

	for (unsigned i = 0; i < m.count; i++) {
		const uint64_t *w = &words[i * RJ_CHUNK_WORDS];
		const uint64_t any = (w[0] | w[1] | w[2] | w[3]) |
				     (w[4] | w[5] | w[6] | w[7]);

		__builtin_prefetch(words_on(w, LOG_AHEAD));
		m.some |= (uint64_t)(any != 0) << i;
	}
	m.few = rj_popcount(m.some) <= FEW_CHUNKS;
	if (m.few)
		for (uint64_t more = m.some; more; more &= more - 1)
			fetch_chunk(bm, chunk + rj_lowest_bit(more));
	return m;
}

RJ_ALWAYS_INLINE uint64_t or_group(struct rj_bitmap *bm, const struct merge *m)
{
	uint64_t added = 0;

	if (!m->some)
		return 0;
	lock_group_of(bm, m->chunk);
	for (uint64_t left = m->some; left; left &= left - 1) {
		const unsigned i = rj_lowest_bit(left);

		if (!m->few)
			fetch_chunk(bm, m->chunk + i + CHUNKS_AHEAD);
		added += or_chunk(bm, m->chunk + i,
				  &m->words[i * RJ_CHUNK_WORDS]);
	}
	announce(bm, m->chunk, m->some << m->chunk % RJ_WORD_BITS);
	unlock_group_of(bm, m->chunk);
	return added;
}

/* OR whole chunks in, from `chunk` on: the next group is looked at before this
 * one is merged, so that its memory is on the way. */
RJ_ALWAYS_INLINE uint64_t or_chunks(struct rj_bitmap *bm, uint64_t chunk,
				    const uint64_t *words, uint64_t count)
{
	struct merge now = next_merge(bm, chunk, words, count);
	uint64_t added = 0;

	while (now.count) {
		struct merge next;

		count -= now.count;
		next = next_merge(bm, now.chunk + now.count,
				  now.words + now.count * RJ_CHUNK_WORDS,
				  count);
		added += or_group(bm, &now);
		now = next;
	}
	return added;
}

RJ_ALWAYS_INLINE unsigned take_chunk(struct rj_bitmap *bm, uint64_t chunk,
				     uint64_t *out)
{
	_Atomic uint64_t *from = &bm->words[chunk * RJ_CHUNK_WORDS];
	unsigned taken;

	fetch_chunk(bm, chunk + CHUNKS_AHEAD);
	lock_group_of(bm, chunk);
	withdraw(bm, chunk);
	taken = take_word(&from[0], &out[0]) + take_word(&from[1], &out[1]) +
		take_word(&from[2], &out[2]) + take_word(&from[3], &out[3]) +
		take_word(&from[4], &out[4]) + take_word(&from[5], &out[5]) +
		take_word(&from[6], &out[6]) + take_word(&from[7], &out[7]);
	unlock_group_of(bm, chunk);
	return taken;
}

#if defined(__x86_64__)
RJ_TARGET("popcnt")
static uint64_t or_chunks_popcnt(struct rj_bitmap *bm, uint64_t chunk,
				 const uint64_t *words, uint64_t count)
{
	return or_chunks(bm, chunk, words, count);
}

RJ_TARGET("popcnt")
static unsigned take_chunk_popcnt(struct rj_bitmap *bm, uint64_t chunk,
				  uint64_t *out)
{
	return take_chunk(bm, chunk, out);
}

static bool have_popcnt(void)
{
	return rj_likely(__builtin_cpu_supports("popcnt"));
}
#else
#define or_chunks_popcnt  or_chunks
#define take_chunk_popcnt take_chunk

static bool have_popcnt(void)
{
	return false;
}
#endif

static uint64_t or_whole(struct rj_bitmap *bm, uint64_t chunk,
			 const uint64_t *words, uint64_t count)
{
	return have_popcnt() ? or_chunks_popcnt(bm, chunk, words, count)
			     : or_chunks(bm, chunk, words, count);
}

/* ---- pages ------------------------------------------------------------- */

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

/* Set or clear [first, first + count), which lies in one chunk; its group is
 * locked. */
static uint64_t change_in_chunk(struct rj_bitmap *bm, uint64_t first,
				uint64_t count, bool set)
{
	uint64_t changed = 0;

	while (count) {
		uint64_t taken;
		uint64_t mask = head_mask(first, count, &taken);
		_Atomic uint64_t *word = &bm->words[first / RJ_WORD_BITS];
		uint64_t old = get(word);
		uint64_t bits = mask & (set ? ~old : old);

		if (bits) {
			put(word, old ^ bits);
			changed += rj_popcount(bits);
		}
		first += taken;
		count -= taken;
	}
	return changed;
}

static uint64_t set_whole_chunk(struct rj_bitmap *bm, uint64_t chunk)
{
	static const uint64_t ones[RJ_CHUNK_WORDS] = {
		~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0),
		~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0),
	};

	return or_whole(bm, chunk, ones, 1);
}

static uint64_t change_run(struct rj_bitmap *bm, uint64_t first_page,
			   uint64_t count, bool set)
{
	uint64_t changed = 0;

	assert_in_range(bm, first_page, count);
	while (count) {
		uint64_t chunk = first_page / RJ_CHUNK_PAGES;
		uint64_t room = RJ_CHUNK_PAGES - first_page % RJ_CHUNK_PAGES;
		uint64_t taken = count < room ? count : room;

		if (set && taken == RJ_CHUNK_PAGES) {
			changed += set_whole_chunk(bm, chunk);
		} else {
			lock_group_of(bm, chunk);
			changed += change_in_chunk(bm, first_page, taken, set);
			if (set)
				announce(bm, chunk, summary_bit(chunk));
			unlock_group_of(bm, chunk);
		}
		first_page += taken;
		count -= taken;
	}
	return changed;
}

uint64_t rj_bitmap_set_run(struct rj_bitmap *bm, uint64_t first_page,
			   uint64_t count)
{
	return change_run(bm, first_page, count, true);
}

uint64_t rj_bitmap_clear_run(struct rj_bitmap *bm, uint64_t first_page,
			     uint64_t count)
{
	return change_run(bm, first_page, count, false);
}

/* Words [at, at + count) of the bitmap, all of one chunk, not all of it. */
static uint64_t or_part(struct rj_bitmap *bm, uint64_t at,
			const uint64_t *words, uint64_t count)
{
	uint64_t whole[RJ_CHUNK_WORDS] = { 0 };

	for (uint64_t i = 0; i < count; i++)
		whole[at % RJ_CHUNK_WORDS + i] = words[i];
	return or_whole(bm, at / RJ_CHUNK_WORDS, whole, 1);
}

uint64_t rj_bitmap_or_words(struct rj_bitmap *bm, uint64_t first_page,
			    const uint64_t *words, size_t count)
{
	uint64_t at = first_page / RJ_WORD_BITS;
	uint64_t end = bm->page_count / RJ_WORD_BITS;
	unsigned tail_bits = (unsigned)(bm->page_count % RJ_WORD_BITS);
	uint64_t head = (RJ_CHUNK_WORDS - at % RJ_CHUNK_WORDS) % RJ_CHUNK_WORDS;
	uint64_t added = 0;
	uint64_t whole;

	assert(first_page % RJ_WORD_BITS == 0);
	assert(first_page <= bm->page_count);
	if (count > end - at) {
		/* The last word is partly, the others wholly past the end. */
		count = end - at;
		if (tail_bits) {
			uint64_t tail =
				words[count] & rj_bit_span(0, tail_bits);

			added += or_part(bm, end, &tail, 1);
		}
	}
	if (head > count)
		head = count;
	whole = (count - head) / RJ_CHUNK_WORDS;
	added += or_part(bm, at, words, head);
	added +=
		or_whole(bm, (at + head) / RJ_CHUNK_WORDS, words + head, whole);
	head += whole * RJ_CHUNK_WORDS;
	added += or_part(bm, at + head, words + head, count - head);
	return added;
}

bool rj_bitmap_test(const struct rj_bitmap *bm, uint64_t page)
{
	assert_in_range(bm, page, 1);
	return get(&bm->words[page / RJ_WORD_BITS]) >> (page % RJ_WORD_BITS) &
	       1;
}

uint64_t rj_bitmap_count(const struct rj_bitmap *bm)
{
	return rj_bitmap_count_in(bm, 0, bm->chunk_count);
}

uint64_t rj_bitmap_count_in(const struct rj_bitmap *bm, uint64_t from,
			    uint64_t end)
{
	uint64_t count = 0;

	for (uint64_t chunk = rj_bitmap_next_chunk(bm, from, end); chunk < end;
	     chunk = rj_bitmap_next_chunk(bm, chunk + 1, end))
		for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++)
			count += rj_popcount(
				get(&bm->words[chunk * RJ_CHUNK_WORDS + i]));
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
		uint64_t word = get(&bm->summary[index]) & ~ignore;

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
	assert(chunk < bm->chunk_count);
	/* A clear summary bit means empty, or being filled right now: then a
	 * later claim finds it. */
	if (!(get(summary_word(bm, chunk)) & summary_bit(chunk)))
		return 0;
	return have_popcnt() ? take_chunk_popcnt(bm, chunk, out)
			     : take_chunk(bm, chunk, out);
}

unsigned rj_bitmap_claim_part(struct rj_bitmap *bm, uint64_t chunk,
			      unsigned pages_max, uint64_t out[RJ_CHUNK_WORDS])
{
	_Atomic uint64_t *from;
	unsigned taken = 0, next = 0;

	assert(chunk < bm->chunk_count);
	assert(pages_max >= RJ_WORD_BITS);
	from = &bm->words[chunk * RJ_CHUNK_WORDS];
	lock_group_of(bm, chunk);
	while (next < RJ_CHUNK_WORDS &&
	       taken + rj_popcount(get(&from[next])) <= pages_max) {
		taken += take_word(&from[next], &out[next]);
		next++;
	}
	while (next < RJ_CHUNK_WORDS && !get(&from[next]))
		next++;
	/* The summary bit stays as long as something is left, so that it can be
	 * found at any time. */
	if (next == RJ_CHUNK_WORDS)
		withdraw(bm, chunk);
	unlock_group_of(bm, chunk);
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
