/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dirty/bitmap.h"
#include "util/bits.h"

/* Odd on purpose: the last word and the last chunk are not whole. */
#define PAGES (3 * 64 * RJ_CHUNK_PAGES + 5 * RJ_CHUNK_PAGES + 77)

static uint64_t random_state;

static uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t random_below(uint64_t limit)
{
	return random_u64() % limit;
}

struct model {
	struct rj_bitmap bm;
	bool set[PAGES];
};

static int model_setup(void **state)
{
	struct model *m = calloc(1, sizeof(*m));

	random_state = 0x9e3779b97f4a7c15;
	assert_non_null(m);
	assert_int_equal(rj_bitmap_init(&m->bm, PAGES, NULL), 0);
	*state = m;
	return 0;
}

static int model_teardown(void **state)
{
	struct model *m = *state;

	rj_bitmap_done(&m->bm);
	free(m);
	return 0;
}

static uint64_t model_set(struct model *m, uint64_t first, uint64_t count)
{
	uint64_t added = 0;

	for (uint64_t i = first; i < first + count; i++) {
		added += !m->set[i];
		m->set[i] = true;
	}
	return added;
}

static uint64_t model_clear(struct model *m, uint64_t first, uint64_t count)
{
	uint64_t removed = 0;

	for (uint64_t i = first; i < first + count; i++) {
		removed += m->set[i];
		m->set[i] = false;
	}
	return removed;
}

static void random_run(uint64_t *ret_first, uint64_t *ret_count)
{
	static const uint64_t lengths[] = { 1, 2, 63, 64, 65, 512, 40000 };
	uint64_t longest = lengths[random_below(RJ_ARRAY_SIZE(lengths))];
	uint64_t room;

	*ret_first = random_below(PAGES);
	room = PAGES - *ret_first;
	*ret_count = random_below(longest + 1);
	if (*ret_count > room)
		*ret_count = room;
}

static void step_or_words(struct model *m)
{
	uint64_t words[40];
	uint64_t first = random_below(PAGES / 64 + 1);
	size_t count = random_below(RJ_ARRAY_SIZE(words) + 1);
	uint64_t added = 0;

	for (size_t i = 0; i < count; i++) {
		words[i] = random_below(4) ? 0 : random_u64() & random_u64();
		for (unsigned bit = 0; bit < 64; bit++) {
			uint64_t page = (first + i) * 64 + bit;

			if (page < PAGES && words[i] >> bit & 1)
				added += model_set(m, page, 1);
		}
	}
	assert_int_equal(rj_bitmap_or_words(&m->bm, first * 64, words, count),
			 added);
}

static void step_claim(struct model *m)
{
	uint64_t chunk = random_below(m->bm.chunk_count);
	uint64_t first = chunk * RJ_CHUNK_PAGES;
	uint64_t count =
		PAGES - first < RJ_CHUNK_PAGES ? PAGES - first : RJ_CHUNK_PAGES;
	uint64_t got[RJ_CHUNK_WORDS] = { 0 };
	uint64_t want[RJ_CHUNK_WORDS] = { 0 };

	for (uint64_t i = 0; i < count; i++)
		want[i / 64] |= (uint64_t)m->set[first + i] << (i % 64);
	/* What is in `out` already stays: two rounds' bits are merged so. */
	got[3] = want[3] | 5;
	want[3] |= 5;
	assert_int_equal(rj_bitmap_claim_chunk(&m->bm, chunk, got),
			 model_clear(m, first, count));
	assert_memory_equal(got, want, sizeof(got));
}

static void step(struct model *m)
{
	uint64_t first;
	uint64_t count;

	random_run(&first, &count);
	switch (random_below(4)) {
	case 0:
		assert_int_equal(rj_bitmap_set_run(&m->bm, first, count),
				 model_set(m, first, count));
		break;
	case 1:
		assert_int_equal(rj_bitmap_clear_run(&m->bm, first, count),
				 model_clear(m, first, count));
		break;
	case 2:
		step_or_words(m);
		break;
	default:
		step_claim(m);
	}
}

/* Every page, the count, and: no page bit without its summary bit. */
static void compare(struct model *m)
{
	uint64_t count = 0;

	for (uint64_t page = 0; page < PAGES; page++) {
		uint64_t chunk = page / RJ_CHUNK_PAGES;

		count += m->set[page];
		assert_int_equal(rj_bitmap_test(&m->bm, page), m->set[page]);
		if (m->set[page])
			assert_int_equal(
				rj_bitmap_next_chunk(&m->bm, chunk,
						     m->bm.chunk_count),
				chunk);
	}
	assert_int_equal(rj_bitmap_count(&m->bm), count);
}

static void bitmap_agrees_with_an_array_of_bools(void **state)
{
	struct model *m = *state;

	for (unsigned i = 0; i < 3000; i++) {
		step(m);
		if (i % 100 == 0)
			compare(m);
	}
	compare(m);
}

static void summary_never_names_a_chunk_outside(void **state)
{
	struct model *m = *state;
	uint64_t ones[16];

	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(rj_bitmap_or_words(&m->bm, PAGES / 64 * 64, ones, 16),
			 PAGES % 64);
	assert_int_equal(rj_bitmap_count(&m->bm), PAGES % 64);
	assert_int_equal(rj_bitmap_next_chunk(&m->bm, 0, m->bm.chunk_count),
			 m->bm.chunk_count - 1);
	/* A limit hides what lies beyond it. */
	assert_int_equal(rj_bitmap_next_chunk(&m->bm, 0, 100), 100);
	assert_int_equal(rj_bitmap_next_chunk(&m->bm, 100, 100), 100);
	assert_int_equal(rj_bitmap_next_chunk(&m->bm, 120, 100), 100);
}

static void claiming_everything_visits_dirty_chunks_only(void **state)
{
	struct model *m = *state;
	uint64_t chunk = 0;
	unsigned visits = 0;

	rj_bitmap_set_run(&m->bm, 511, 2);
	rj_bitmap_set_run(&m->bm, 70 * RJ_CHUNK_PAGES, RJ_CHUNK_PAGES);
	while ((chunk = rj_bitmap_next_chunk(&m->bm, chunk,
					     m->bm.chunk_count)) <
	       m->bm.chunk_count) {
		uint64_t out[RJ_CHUNK_WORDS] = { 0 };

		assert_true(rj_bitmap_claim_chunk(&m->bm, chunk, out) > 0);
		visits++;
	}
	assert_int_equal(visits, 3);
	assert_int_equal(rj_bitmap_count(&m->bm), 0);
}

static void bitmaps_of_odd_sizes_come_and_go(void **state)
{
	static const uint64_t sizes[] = { 0,   1,   63,
					  64,  65,  511,
					  512, 513, UINT64_C(3) << 30 };

	(void)state;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(sizes); i++) {
		struct rj_bitmap bm = { 0 };

		assert_int_equal(rj_bitmap_init(&bm, sizes[i], NULL), 0);
		assert_int_equal(rj_bitmap_count(&bm), 0);
		assert_int_equal(rj_bitmap_next_chunk(&bm, 0, bm.chunk_count),
				 bm.chunk_count);
		if (sizes[i]) {
			rj_bitmap_set_run(&bm, sizes[i] - 1, 1);
			assert_int_equal(rj_bitmap_count(&bm), 1);
		}
		rj_bitmap_done(&bm);
		rj_bitmap_done(&bm);
	}
}

static void too_many_pages_are_refused(void **state)
{
	struct rj_bitmap bm = { 0 };
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(rj_bitmap_init(&bm, (UINT64_C(1) << 40) + 1, &err),
			 -EOVERFLOW);
	assert_string_equal(err.message, "bitmap: 1099511627777 pages, at most "
					 "1099511627776 are possible");
	assert_int_equal(rj_bitmap_init(&bm, UINT64_MAX, NULL), -EOVERFLOW);
	assert_null(bm.words);
}

static void runs_are_maximal_and_complete(void **state)
{
	(void)state;
	random_state = 42;
	for (unsigned round = 0; round < 2000; round++) {
		uint64_t words[6];
		uint64_t bits = random_below(6 * 64 + 1);
		uint64_t at = 0;
		struct rj_run run;

		for (unsigned i = 0; i < 6; i++)
			words[i] = random_below(3) == 0 ? ~UINT64_C(0)
				   : random_below(2)    ? 0
							: random_u64();
		while ((run = rj_words_next_run(words, bits, at)).count) {
			assert_true(run.first >= at);
			for (; at < run.first; at++)
				assert_false(words[at / 64] >> (at % 64) & 1);
			for (; at < run.first + run.count; at++)
				assert_true(words[at / 64] >> (at % 64) & 1);
			assert_true(at <= bits);
			if (at < bits)
				assert_false(words[at / 64] >> (at % 64) & 1);
		}
		assert_int_equal(run.first, bits);
		for (; at < bits; at++)
			assert_false(words[at / 64] >> (at % 64) & 1);
	}
}

static void a_part_leaves_the_rest_to_be_found(void **state)
{
	uint64_t words[RJ_CHUNK_WORDS] = { 0 };
	struct rj_bitmap bm;

	(void)state;
	assert_int_equal(rj_bitmap_init(&bm, 2000, NULL), 0);
	(void)rj_bitmap_set_run(&bm, 512 + 60, 100);
	(void)rj_bitmap_set_run(&bm, 512 + 500, 1);
	assert_int_equal(rj_bitmap_claim_part(&bm, 1, 68, words), 68);
	assert_int_equal(words[0], UINT64_C(0xf) << 60);
	assert_int_equal(words[1], ~UINT64_C(0));
	assert_int_equal(words[2], 0);
	assert_int_equal(rj_bitmap_next_chunk(&bm, 0, bm.chunk_count), 1);
	assert_int_equal(rj_bitmap_claim_part(&bm, 1, 64, words), 33);
	/* Empty, and nobody needs to look again. */
	assert_int_equal(rj_bitmap_next_chunk(&bm, 0, bm.chunk_count),
			 bm.chunk_count);
	assert_int_equal(rj_bitmap_claim_part(&bm, 1, 64, words), 0);
	rj_bitmap_done(&bm);
}

int main(void)
{
#define with_model(test) \
	cmocka_unit_test_setup_teardown(test, model_setup, model_teardown)
	const struct CMUnitTest tests[] = {
		with_model(bitmap_agrees_with_an_array_of_bools),
		with_model(summary_never_names_a_chunk_outside),
		with_model(claiming_everything_visits_dirty_chunks_only),
		cmocka_unit_test(bitmaps_of_odd_sizes_come_and_go),
		cmocka_unit_test(a_part_leaves_the_rest_to_be_found),
		cmocka_unit_test(too_many_pages_are_refused),
		cmocka_unit_test(runs_are_maximal_and_complete),
	};

	return cmocka_run_group_tests_name("bitmap", tests, NULL, NULL);
}
