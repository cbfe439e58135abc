/* SPDX-License-Identifier: BSD-3-Clause */
/* A bitmap that is set without a lock: where bits land, and that none is lost
 * or seen before what its setter wrote. */
#include "tests/unit/cmocka_all.h"

#include <pthread.h>
#include <stdatomic.h>

#include "dirty/mark_map.h"
#include "util/bits.h"

#define PAGES   (66 * RJ_CHUNK_PAGES + 9)
#define SETTERS 3u
#define SETS    40000u

static uint64_t count_chunk(struct rj_mark_map *map, uint64_t chunk)
{
	uint64_t words[RJ_CHUNK_WORDS] = { 0 }, count = 0;

	rj_mark_map_take_chunk(map, chunk, words);
	for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++)
		count += rj_popcount(words[i]);
	return count;
}

static void a_run_sets_its_pages_and_no_other(void **state)
{
	struct rj_mark_map map;
	uint64_t words[RJ_CHUNK_WORDS] = { 0 };

	(void)state;
	assert_int_equal(rj_mark_map_init(&map, PAGES, NULL), 0);
	assert_false(rj_mark_map_is_set(&map));
	assert_int_equal(rj_mark_map_next_chunk(&map, 0, map.chunk_count), 67);
	rj_mark_map_set(&map, 5, 0);
	assert_false(rj_mark_map_is_set(&map));
	/* The end of chunk 63, all of 64, the beginning of 65. */
	rj_mark_map_set(&map, 64 * RJ_CHUNK_PAGES - 3, RJ_CHUNK_PAGES + 70);
	assert_true(rj_mark_map_is_set(&map));
	assert_int_equal(rj_mark_map_next_chunk(&map, 0, 60), 60);
	assert_int_equal(rj_mark_map_next_chunk(&map, 0, 67), 63);
	assert_int_equal(rj_mark_map_next_chunk(&map, 64, 67), 64);
	assert_int_equal(rj_mark_map_next_chunk(&map, 66, 67), 67);
	rj_mark_map_take_chunk(&map, 63, words);
	assert_int_equal(words[7], UINT64_C(7) << 61);
	assert_int_equal(count_chunk(&map, 64), RJ_CHUNK_PAGES);
	words[0] = words[1] = 0;
	rj_mark_map_take_chunk(&map, 65, words);
	assert_int_equal(words[0], UINT64_MAX);
	assert_int_equal(words[1], 7);
	assert_false(rj_mark_map_is_set(&map));
	/* The last page of all. */
	rj_mark_map_set(&map, PAGES - 1, 1);
	assert_int_equal(rj_mark_map_next_chunk(&map, 0, 67), 66);
	assert_int_equal(count_chunk(&map, 66), 1);
	rj_mark_map_done(&map);
	rj_mark_map_done(&map);
}

struct arena {
	struct rj_mark_map map;
	/* Plain: page p is written by setter p % SETTERS while its bit is
	 * clear, and read by who took the bit. */
	uint32_t values[PAGES];
	_Atomic uint32_t returned[PAGES]; /* the last value that was read */
	_Atomic unsigned setters_left;
};

struct setter {
	struct arena *arena;
	pthread_t thread;
	unsigned id;
};

static void *set_pages(void *user)
{
	struct setter *s = user;
	struct arena *arena = s->arena;
	uint32_t seed = s->id + 1;

	for (unsigned i = 0; i < SETS; i++) {
		uint64_t page;

		seed = seed * 1664525u + 1013904223u;
		page = (seed >> 8) % (PAGES / SETTERS) * SETTERS + s->id;
		/* acquire: pairs with take_all() */
		if (atomic_load_explicit(&arena->returned[page],
					 memory_order_acquire) !=
		    arena->values[page])
			continue;
		arena->values[page]++;
		rj_mark_map_set(&arena->map, page, 1);
	}
	atomic_fetch_sub(&arena->setters_left, 1);
	return NULL;
}

static void take_all(struct arena *arena)
{
	const uint64_t end = arena->map.chunk_count;
	uint64_t chunk = 0;

	while ((chunk = rj_mark_map_next_chunk(&arena->map, chunk, end)) <
	       end) {
		uint64_t words[RJ_CHUNK_WORDS] = { 0 };

		rj_mark_map_take_chunk(&arena->map, chunk, words);
		for (unsigned i = 0; i < RJ_CHUNK_PAGES; i++) {
			const uint64_t page = chunk * RJ_CHUNK_PAGES + i;

			if (!(words[i / RJ_WORD_BITS] >> i % RJ_WORD_BITS & 1))
				continue;
			/* release: pairs with set_pages() */
			atomic_store_explicit(&arena->returned[page],
					      arena->values[page],
					      memory_order_release);
		}
		chunk++;
	}
}

static void none_is_lost_among_threads(void **state)
{
	static struct arena arena;
	struct setter setters[SETTERS];

	(void)state;
	assert_int_equal(rj_mark_map_init(&arena.map, PAGES, NULL), 0);
	atomic_store(&arena.setters_left, SETTERS);
	for (unsigned i = 0; i < SETTERS; i++) {
		setters[i] = (struct setter){ .arena = &arena, .id = i };
		assert_int_equal(pthread_create(&setters[i].thread, NULL,
						set_pages, &setters[i]),
				 0);
	}
	while (atomic_load(&arena.setters_left))
		take_all(&arena);
	for (unsigned i = 0; i < SETTERS; i++)
		assert_int_equal(pthread_join(setters[i].thread, NULL), 0);
	take_all(&arena);
	assert_false(rj_mark_map_is_set(&arena.map));
	for (uint64_t page = 0; page < PAGES; page++)
		assert_int_equal(atomic_load(&arena.returned[page]),
				 arena.values[page]);
	rj_mark_map_done(&arena.map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_sets_its_pages_and_no_other),
		cmocka_unit_test(none_is_lost_among_threads),
	};

	return cmocka_run_group_tests_name("mark_map", tests, NULL, NULL);
}
