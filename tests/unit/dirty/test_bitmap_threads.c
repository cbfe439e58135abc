/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Setters and claimers at once. Each set counts a page up when it was newly
 * set, each claim counts it down when it was taken: at the end no count is
 * left, so no page was lost and none was taken twice. A page carries a plain
 * value, written before its bit is set and read after its bit was claimed, so
 * ThreadSanitizer checks the ordering as well.
 */
#include "tests/unit/cmocka_all.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "dirty/bitmap.h"
#include "util/bits.h"

#define PAGES         (130 * RJ_CHUNK_PAGES + 9)
#define SETTERS       2u
#define CLAIMERS      2u
#define SETS_A_THREAD 60000u

struct arena {
	struct rj_bitmap bm;
	/* Page p belongs to setter p % SETTERS while its bit is clear. */
	uint32_t *values;           /* plain: guarded by the page's bit */
	_Atomic uint32_t *returned; /* the last value a claimer read */
	_Atomic uint64_t added;
	_Atomic uint64_t taken;
	_Atomic unsigned setters_left;
};

struct setter {
	struct arena *arena;
	pthread_t thread;
	unsigned id;
};

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

/* Give a page a new value and mark it, once its last value has come back. */
static void set_one(struct arena *arena, uint64_t page, bool by_words)
{
	uint64_t word = UINT64_C(1) << (page % 64);

	if (atomic_load_explicit(&arena->returned[page],
				 memory_order_acquire) != arena->values[page])
		return;
	arena->values[page]++;
	if (by_words)
		atomic_fetch_add(&arena->added,
				 rj_bitmap_or_words(&arena->bm, page / 64 * 64,
						    &word, 1));
	else
		atomic_fetch_add(&arena->added,
				 rj_bitmap_set_run(&arena->bm, page, 1));
}

static void *setter_main(void *user)
{
	struct setter *s = user;
	uint64_t seed = s->id + 1;

	for (unsigned i = 0; i < SETS_A_THREAD; i++) {
		uint64_t page = next_random(&seed) % PAGES;

		page -= page % SETTERS;
		page += s->id;
		if (page < PAGES)
			set_one(s->arena, page, i % 2);
	}
	atomic_fetch_sub(&s->arena->setters_left, 1);
	return NULL;
}

static void claim(struct arena *arena, uint64_t chunk)
{
	uint64_t out[RJ_CHUNK_WORDS] = { 0 };
	struct rj_run run = { 0 };

	atomic_fetch_add(&arena->taken,
			 rj_bitmap_claim_chunk(&arena->bm, chunk, out));
	while ((run = rj_words_next_run(out, RJ_CHUNK_PAGES,
					run.first + run.count))
		       .count) {
		for (uint64_t i = 0; i < run.count; i++) {
			uint64_t page = chunk * RJ_CHUNK_PAGES + run.first + i;

			atomic_store_explicit(&arena->returned[page],
					      arena->values[page],
					      memory_order_release);
		}
	}
}

static void *claimer_main(void *user)
{
	struct arena *arena = user;
	struct rj_bitmap *bm = &arena->bm;
	bool last;

	/* One more pass after the last setter is done finds everything. */
	do {
		last = !atomic_load(&arena->setters_left);
		for (uint64_t chunk = 0;
		     (chunk = rj_bitmap_next_chunk(
			      bm, chunk, bm->chunk_count)) < bm->chunk_count;
		     chunk++)
			claim(arena, chunk);
	} while (!last);
	return NULL;
}

static void every_set_bit_is_claimed_exactly_once(void **state)
{
	struct arena arena = { .setters_left = SETTERS };
	struct setter setters[SETTERS];
	pthread_t claimers[CLAIMERS];

	(void)state;
	assert_int_equal(rj_bitmap_init(&arena.bm, PAGES, NULL), 0);
	arena.values = calloc(PAGES, sizeof(*arena.values));
	arena.returned = calloc(PAGES, sizeof(*arena.returned));
	assert_non_null(arena.values);
	assert_non_null(arena.returned);

	for (unsigned i = 0; i < CLAIMERS; i++)
		assert_int_equal(pthread_create(&claimers[i], NULL,
						claimer_main, &arena),
				 0);
	for (unsigned i = 0; i < SETTERS; i++) {
		setters[i] = (struct setter){ .arena = &arena, .id = i };
		assert_int_equal(pthread_create(&setters[i].thread, NULL,
						setter_main, &setters[i]),
				 0);
	}
	for (unsigned i = 0; i < SETTERS; i++)
		assert_int_equal(pthread_join(setters[i].thread, NULL), 0);
	for (unsigned i = 0; i < CLAIMERS; i++)
		assert_int_equal(pthread_join(claimers[i], NULL), 0);

	assert_true(arena.added > SETS_A_THREAD / 4);
	assert_int_equal(arena.added, arena.taken);
	assert_int_equal(rj_bitmap_count(&arena.bm), 0);
	for (uint64_t page = 0; page < PAGES; page++)
		assert_int_equal(arena.values[page], arena.returned[page]);

	free(arena.values);
	free((void *)arena.returned);
	rj_bitmap_done(&arena.bm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_set_bit_is_claimed_exactly_once),
	};

	return cmocka_run_group_tests_name("bitmap_threads", tests, NULL, NULL);
}
