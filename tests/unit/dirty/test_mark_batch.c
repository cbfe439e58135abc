/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>

#include "dirty/mark_batch.h"
#include "dirty/source.h"

#define PAGES (3 * RJ_BATCH_PAGES + 70)

struct target {
	struct ramjet_dirty_region region;
	struct rj_bitmap map, wanted;
	struct rj_bitmap *bitmaps[1];
	struct ramjet_dirty_sink sink;
};

static void make(struct target *t)
{
	*t = (struct target){ .region = { .page_count = PAGES } };
	assert_int_equal(rj_bitmap_init(&t->map, PAGES, NULL), 0);
	assert_int_equal(rj_bitmap_init(&t->wanted, PAGES, NULL), 0);
	t->bitmaps[0] = &t->map;
	t->sink = (struct ramjet_dirty_sink){
		.bitmaps = t->bitmaps,
		.regions = &t->region,
		.count = 1,
	};
}

static void add(struct rj_mark_batch *batch, struct target *t, uint64_t first,
		uint64_t count)
{
	rj_mark_batch_add(batch, first, count);
	(void)rj_bitmap_set_run(&t->wanted, first, count);
}

static void check(struct target *t)
{
	for (uint64_t page = 0; page < PAGES; page++)
		assert_int_equal(rj_bitmap_test(&t->map, page),
				 rj_bitmap_test(&t->wanted, page));
	assert_int_equal(t->sink.marked, rj_bitmap_count(&t->wanted));
	assert_int_equal(t->sink.out_of_range, 0);
	rj_bitmap_done(&t->map);
	rj_bitmap_done(&t->wanted);
}

static void runs_of_all_sizes_are_marked(void **state)
{
	static const uint64_t runs[][2] = {
		{ 0, 1 },
		{ 5, 60 },
		{ 511, 2 },
		{ RJ_BATCH_PAGES - 3, 7 },
		{ RJ_BATCH_PAGES + 1000, 2 * RJ_BATCH_PAGES - 1000 },
		{ PAGES - 1, 1 },
		/* A second walk begins at the front again. */
		{ 2, 2 },
		{ PAGES - 70, 70 },
	};
	struct rj_mark_batch batch;
	struct target t;

	(void)state;
	make(&t);
	rj_mark_batch_init(&batch, &t.sink, 0);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(runs); i++)
		add(&batch, &t, runs[i][0], runs[i][1]);
	rj_mark_batch_flush(&batch);
	rj_mark_batch_flush(&batch);
	check(&t);
}

static void runs_at_random_are_marked(void **state)
{
	struct rj_mark_batch batch;
	uint64_t seed = 1;
	struct target t;

	(void)state;
	make(&t);
	rj_mark_batch_init(&batch, &t.sink, 0);
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t first, count;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		first = (seed >> 33) % PAGES;
		count = 1 + (seed >> 20) % 40;
		add(&batch, &t, first,
		    count < PAGES - first ? count : PAGES - first);
	}
	rj_mark_batch_flush(&batch);
	check(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_of_all_sizes_are_marked),
		cmocka_unit_test(runs_at_random_are_marked),
	};

	return cmocka_run_group_tests_name("mark_batch", tests, NULL, NULL);
}
