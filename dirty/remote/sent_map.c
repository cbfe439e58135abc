/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/remote/sent_map.h"

#include "dirty/bit_memory.h"
#include "dirty/bitmap.h"
#include "util/bits.h"

int rj_sent_map_init(struct rj_sent_map *map, uint64_t first_page,
		     uint64_t page_count, struct ramjet_error *err)
{
	const uint64_t base = first_page - first_page % RJ_CHUNK_PAGES;
	const uint64_t end = first_page + page_count;
	const uint64_t chunks = rj_div_round_up(end - base, RJ_CHUNK_PAGES);
	const size_t words = chunks * RJ_CHUNK_WORDS;
	const size_t bytes = 2 * (words * sizeof(uint64_t) + chunks);
	void *memory;
	int rc = rj_bit_memory_map("sent pages", bytes, &memory, err);

	if (rc)
		return rc;
	*map = (struct rj_sent_map){
		.first_page = first_page,
		.end_page = end,
		.base = base,
		.memory = memory,
		.map_bytes = bytes,
		.sent = memory,
	};
	map->gone = (uint64_t *)memory + words;
	map->some_sent = (_Atomic uint8_t *)(map->gone + words);
	map->some_gone = (uint8_t *)(map->gone + words) + chunks;
	return 0;
}

void rj_sent_map_done(struct rj_sent_map *map)
{
	if (map->memory)
		rj_bit_memory_unmap(map->memory, map->map_bytes);
	*map = (struct rj_sent_map){ .memory = NULL };
}

void rj_sent_map_add(struct rj_sent_map *map, uint64_t first_page,
		     const uint64_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const uint64_t page = first_page + i * RJ_WORD_BITS;
		const uint64_t at = (page - map->base) / RJ_WORD_BITS;

		/* Bits outside of the map, in its first and its last word, are
		 * never asked for. */
		if (!words[i] || page < map->base || page >= map->end_page)
			continue;
		/* Relaxed: a bit that is set has been seen by all. */
		if (!(words[i] & ~atomic_load_explicit(&map->sent[at],
						       memory_order_relaxed)))
			continue;
		/* The byte last: who finds it set finds the bit, too. Both are
		 * ordered before the reading of the page. */
		(void)atomic_fetch_or(&map->sent[at], words[i]);
		atomic_store(&map->some_sent[at / RJ_CHUNK_WORDS], 1);
	}
}

/* Bits of word `word`, of the map, that are in [from, end). */
static uint64_t span(const struct rj_sent_map *map, uint64_t word,
		     uint64_t from, uint64_t end)
{
	const uint64_t first = map->base + word * RJ_WORD_BITS;
	const uint64_t past = first + RJ_WORD_BITS;
	const uint64_t low = from > first ? from : first;
	const uint64_t high = end < past ? end : past;

	return low < high ? rj_bit_span((unsigned)(low - first),
					(unsigned)(high - low))
			  : 0;
}

static struct rj_page_run next_in_chunk(const struct rj_sent_map *map,
					uint64_t chunk, uint64_t from,
					uint64_t end, bool may_be_gone)
{
	uint64_t words[RJ_CHUNK_WORDS];
	struct rj_run run;

	for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++) {
		const uint64_t word = chunk * RJ_CHUNK_WORDS + i;

		words[i] = atomic_load(&map->sent[word]) &
			   span(map, word, from, end);
		if (!may_be_gone && map->some_gone[chunk])
			words[i] &= ~map->gone[word];
	}
	run = rj_words_next_run(words, RJ_CHUNK_PAGES, 0);
	return (struct rj_page_run){
		.first = map->base + chunk * RJ_CHUNK_PAGES + run.first,
		.count = run.count,
	};
}

struct rj_page_run rj_sent_map_next(const struct rj_sent_map *map,
				    uint64_t from, uint64_t end,
				    bool may_be_gone)
{
	const uint64_t past = rj_div_round_up(end - map->base, RJ_CHUNK_PAGES);
	uint64_t chunk = (from - map->base) / RJ_CHUNK_PAGES;

	for (; from < end && chunk < past; chunk++) {
		struct rj_page_run run;

		if (!atomic_load(&map->some_sent[chunk]))
			continue;
		run = next_in_chunk(map, chunk, from, end, may_be_gone);
		if (run.count)
			return run;
	}
	return (struct rj_page_run){ .first = end };
}

void rj_sent_map_set_gone(struct rj_sent_map *map, uint64_t first_page,
			  uint64_t count)
{
	const uint64_t end = first_page + count;
	uint64_t word = (first_page - map->base) / RJ_WORD_BITS;

	for (; map->base + word * RJ_WORD_BITS < end; word++) {
		map->gone[word] |= span(map, word, first_page, end);
		map->some_gone[word / RJ_CHUNK_WORDS] = 1;
	}
}

void rj_sent_map_clear_gone(struct rj_sent_map *map, uint64_t first_page,
			    uint64_t count)
{
	const uint64_t end = first_page + count;
	uint64_t chunk = (first_page - map->base) / RJ_CHUNK_PAGES;

	for (; map->base + chunk * RJ_CHUNK_PAGES < end; chunk++) {
		if (!map->some_gone[chunk])
			continue;
		for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++) {
			const uint64_t word = chunk * RJ_CHUNK_WORDS + i;

			map->gone[word] &= ~span(map, word, first_page, end);
		}
	}
}
