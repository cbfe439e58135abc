/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "dirty/source.h"

#define PAGES (3 * 512 * 64 + 70u)
#define WORDS ((PAGES + 63) / 64)

struct shared_case {
	_Atomic uint64_t *bits;
	struct ramjet_dirty_source *source;
	struct ramjet_dirty_region region;
	struct rj_dirty_set set;
	struct rj_bitmap map;
	struct ramjet_error err;
};

static int make(struct shared_case *c, const char *block, uint64_t bytes)
{
	struct ramjet_dirty_bitmap bitmap = {
		RAMJET_DIRTY_BITMAP_INIT,
		.block = block,
		.bits = (void *)c->bits,
		.bytes = bytes,
	};

	return ramjet_dirty_shared_new(&bitmap, &c->source, &c->err);
}

static int start(struct shared_case *c)
{
	return rj_dirty_set_start(&c->set, &c->source, 1, &c->region, 1,
				  &c->err);
}

static uint64_t collect_by(struct shared_case *c, struct rj_crew *crew)
{
	const struct rj_dirty_walk walk = { .crew = crew };
	struct rj_bitmap *bitmaps[] = { &c->map };
	uint64_t marked = 0;

	assert_int_equal(
		rj_dirty_set_collect(&c->set, &walk, bitmaps, &marked, &c->err),
		0);
	return marked;
}

static uint64_t collect(struct shared_case *c)
{
	return collect_by(c, NULL);
}

static int setup(void **state)
{
	struct shared_case *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->bits = calloc(WORDS, sizeof(*c->bits));
	assert_non_null(c->bits);
	c->region = (struct ramjet_dirty_region){
		.name = "ram0",
		.page_count = PAGES,
		.page_bytes = 4096,
		.fd = -1,
	};
	assert_int_equal(rj_bitmap_init(&c->map, PAGES, NULL), 0);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct shared_case *c = *state;

	rj_dirty_set_stop(&c->set);
	ramjet_dirty_free(c->source);
	rj_bitmap_done(&c->map);
	free((void *)c->bits);
	free(c);
	return 0;
}

/* As docs say it: bit 0 of byte 0 is page 0. */
static void set_page(struct shared_case *c, uint64_t page)
{
	_Atomic unsigned char *bytes = (_Atomic unsigned char *)c->bits;

	atomic_fetch_or(&bytes[page / 8], (unsigned char)(1u << (page % 8)));
}

static void bits_set_by_others_are_collected_once(void **state)
{
	static const uint64_t pages[] = { 0, 7, 8, 63, 64, 4095, 32768 };
	struct shared_case *c = *state;

	assert_int_equal(make(c, "ram0", WORDS * 8), 0);
	assert_int_equal(start(c), 0);
	assert_int_equal(collect(c), 0);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(pages); i++)
		set_page(c, pages[i]);
	set_page(c, PAGES - 1);
	assert_int_equal(collect(c), RJ_ARRAY_SIZE(pages) + 1);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(pages); i++)
		assert_true(rj_bitmap_test(&c->map, pages[i]));
	assert_true(rj_bitmap_test(&c->map, PAGES - 1));
	rj_bitmap_clear_run(&c->map, 0, PAGES);
	assert_int_equal(collect(c), 0);
}

static void bits_past_the_block_are_left_alone(void **state)
{
	struct shared_case *c = *state;

	assert_int_equal(make(c, "ram0", WORDS * 8), 0);
	assert_int_equal(start(c), 0);
	set_page(c, PAGES);
	set_page(c, PAGES - 1);
	assert_int_equal(collect(c), 1);
	assert_int_equal(c->bits[WORDS - 1], UINT64_C(1) << (PAGES % 64));
}

static void another_blocks_parts_are_not_its_own(void **state)
{
	struct shared_case *c = *state;
	struct ramjet_dirty_region two[2] = { c->region, c->region };
	struct rj_bitmap *bitmaps[] = { &c->map, &c->map };
	struct ramjet_dirty_sink sink = {
		.bitmaps = bitmaps,
		.regions = two,
		.count = 2,
	};
	struct ramjet_dirty_part part = {
		.size = sizeof(part),
		.region = 1,
		.page_count = 64,
	};

	assert_int_equal(make(c, "ram0", WORDS * 8), 0);
	assert_int_equal(start(c), 0);
	set_page(c, 7);
	assert_int_equal(c->source->ops.collect_part(c->source->user, &part,
						     &sink, NULL),
			 0);
	assert_int_equal(sink.marked, 0);
	part.region = 0;
	assert_int_equal(c->source->ops.collect_part(c->source->user, &part,
						     &sink, NULL),
			 0);
	assert_int_equal(sink.marked, 1);
}

static void a_bitmap_too_small_is_refused(void **state)
{
	struct shared_case *c = *state;

	assert_int_equal(make(c, "ram0", WORDS * 8 - 8), 0);
	assert_int_equal(start(c), -EINVAL);
	assert_string_equal(c->err.message,
			    "dirty source shared bitmap: block ram0: the "
			    "bitmap has 12296 bytes, 12304 wanted for 98374 "
			    "pages");
}

static void an_unknown_block_is_refused(void **state)
{
	struct shared_case *c = *state;

	assert_int_equal(make(c, "ram1", WORDS * 8), 0);
	assert_int_equal(start(c), -ENOENT);
	assert_string_equal(c->err.message,
			    "dirty source shared bitmap: no block is named "
			    "\"ram1\"");
}

static void crooked_arguments_are_refused(void **state)
{
	struct shared_case *c = *state;
	struct ramjet_dirty_bitmap bitmap = {
		RAMJET_DIRTY_BITMAP_INIT,
		.block = "ram0",
		.bits = (char *)c->bits + 4,
		.bytes = 8,
	};

	assert_int_equal(ramjet_dirty_shared_new(&bitmap, &c->source, &c->err),
			 -EINVAL);
	assert_non_null(strstr(c->err.message, "8-byte aligned"));
	bitmap.bits = NULL;
	assert_int_equal(ramjet_dirty_shared_new(&bitmap, &c->source, NULL),
			 -EINVAL);
	assert_int_equal(make(c, NULL, 8), -EINVAL);
	assert_int_equal(ramjet_dirty_shared_new(NULL, &c->source, NULL),
			 -EINVAL);
	assert_null(c->source);
}

static void *writer_main(void *user)
{
	struct shared_case *c = user;

	/* Each page once: what is collected adds up to all of them. */
	for (uint64_t i = 0; i < PAGES; i++)
		set_page(c, i * 48271 % PAGES);
	return NULL;
}

static void lose_no_bit(struct shared_case *c, struct rj_crew *crew)
{
	pthread_t writer;
	uint64_t seen = 0;

	assert_int_equal(make(c, "ram0", WORDS * 8), 0);
	assert_int_equal(start(c), 0);
	assert_int_equal(pthread_create(&writer, NULL, writer_main, c), 0);
	while (seen < PAGES) {
		uint64_t marked = collect_by(c, crew);

		assert_true(marked <= PAGES - seen);
		seen += marked;
	}
	assert_int_equal(pthread_join(writer, NULL), 0);
	assert_int_equal(rj_bitmap_count(&c->map), PAGES);
	assert_int_equal(collect(c), 0);
}

static void a_writer_at_work_loses_no_bit(void **state)
{
	lose_no_bit(*state, NULL);
}

/* They share the block: it is of two pieces. */
static void nor_do_collecting_threads(void **state)
{
	struct rj_crew crew;

	assert_int_equal(rj_crew_start(&crew, "scan", 2, NULL), 0);
	lose_no_bit(*state, &crew);
	rj_crew_stop(&crew);
}

int main(void)
{
#define shared_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		shared_test(bits_set_by_others_are_collected_once),
		shared_test(bits_past_the_block_are_left_alone),
		shared_test(another_blocks_parts_are_not_its_own),
		shared_test(a_bitmap_too_small_is_refused),
		shared_test(an_unknown_block_is_refused),
		shared_test(crooked_arguments_are_refused),
		shared_test(a_writer_at_work_loses_no_bit),
		shared_test(nor_do_collecting_threads),
	};

	return cmocka_run_group_tests_name("shared", tests, NULL, NULL);
}
