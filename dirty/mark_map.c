/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/mark_map.h"

#include <assert.h>

#include "dirty/bit_memory.h"
#include "util/bits.h"

int rj_mark_map_init(struct rj_mark_map *map, uint64_t page_count,
		     struct ramjet_error *err)
{
	const uint64_t chunks = rj_div_round_up(page_count, RJ_CHUNK_PAGES);
	const uint64_t words = chunks * RJ_CHUNK_WORDS;
	const uint64_t summary = rj_div_round_up(chunks, RJ_WORD_BITS);
	/* One word more, so that no map is an empty mapping. */
	const size_t bytes = (words + summary + 1) * sizeof(uint64_t);
	void *at = NULL;
	int rc = rj_bit_memory_map("marks", bytes, &at, err);

	if (rc)
		return rc;
	*map = (struct rj_mark_map){
		.page_count = page_count,
		.chunk_count = chunks,
		.words = at,
		.summary = (_Atomic uint64_t *)at + words,
		.map_bytes = bytes,
	};
	return 0;
}

void rj_mark_map_done(struct rj_mark_map *map)
{
	rj_bit_memory_unmap((void *)map->words, map->map_bytes);
	*map = (struct rj_mark_map){ 0 };
}

static uint64_t get(const _Atomic uint64_t *word)
{
	/* relaxed: a hint; who acts on it takes with acquire */
	return atomic_load_explicit(word, memory_order_relaxed);
}

/* Set [first, first + count), all of one chunk. */
static void set_in_chunk(struct rj_mark_map *map, uint64_t first,
			 uint64_t count)
{
	const uint64_t chunk = first / RJ_CHUNK_PAGES;

	while (count) {
		const unsigned bit = (unsigned)(first % RJ_WORD_BITS);
		const uint64_t room = RJ_WORD_BITS - bit;
		const uint64_t some = count < room ? count : room;

		/* release: what the caller wrote, to who takes the bit */
		atomic_fetch_or_explicit(&map->words[first / RJ_WORD_BITS],
					 rj_bit_span(bit, (unsigned)some),
					 memory_order_release);
		first += some;
		count -= some;
	}
	/* release: the bits above, to who clears this one with acquire */
	atomic_fetch_or_explicit(&map->summary[chunk / RJ_WORD_BITS],
				 UINT64_C(1) << chunk % RJ_WORD_BITS,
				 memory_order_release);
}

void rj_mark_map_set(struct rj_mark_map *map, uint64_t first_page,
		     uint64_t count)
{
	assert(first_page <= map->page_count);
	assert(count <= map->page_count - first_page);
	while (count) {
		const uint64_t room =
			RJ_CHUNK_PAGES - first_page % RJ_CHUNK_PAGES;
		const uint64_t some = count < room ? count : room;

		set_in_chunk(map, first_page, some);
		first_page += some;
		count -= some;
	}
}

uint64_t rj_mark_map_next_chunk(const struct rj_mark_map *map, uint64_t from,
				uint64_t end)
{
	assert(end <= map->chunk_count);
	while (from < end) {
		const uint64_t bits = get(&map->summary[from / RJ_WORD_BITS]) >>
				      from % RJ_WORD_BITS;

		if (bits) {
			from += rj_lowest_bit(bits);
			return from < end ? from : end;
		}
		from += RJ_WORD_BITS - from % RJ_WORD_BITS;
	}
	return end;
}

void rj_mark_map_take_chunk(struct rj_mark_map *map, uint64_t chunk,
			    uint64_t out[RJ_CHUNK_WORDS])
{
	_Atomic uint64_t *words = &map->words[chunk * RJ_CHUNK_WORDS];

	assert(chunk < map->chunk_count);
	/* acquire: pairs with set_in_chunk(). Whose summary bit is cleared here,
	 * his pages are seen below; whoever comes later sets it again. */
	atomic_fetch_and_explicit(&map->summary[chunk / RJ_WORD_BITS],
				  ~(UINT64_C(1) << chunk % RJ_WORD_BITS),
				  memory_order_acquire);
	for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++)
		out[i] |= atomic_exchange_explicit(&words[i], 0,
						   memory_order_acquire);
}

bool rj_mark_map_is_set(const struct rj_mark_map *map)
{
	uint64_t chunk = 0;

	while ((chunk = rj_mark_map_next_chunk(map, chunk, map->chunk_count)) <
	       map->chunk_count) {
		for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++)
			if (get(&map->words[chunk * RJ_CHUNK_WORDS + i]))
				return true;
		chunk++;
	}
	return false;
}
