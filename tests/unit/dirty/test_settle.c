/* SPDX-License-Identifier: BSD-3-Clause */
/* Sources that have writes to wait for which nobody sees. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "dirty/source.h"
#include "util/error.h"

#define PAGES (3u * 65536 + 1000)

static struct stage {
	struct ramjet_dirty_region region;
	struct rj_bitmap map;
	struct rj_bitmap *bitmaps[1];
	struct ramjet_dirty_source *source;
	struct rj_dirty_set set;
	struct rj_crew crew;
	struct ramjet_error err;
	unsigned settled, marked_before; /* calls; pages to be seen then */
	int result;
} stage;

static int start(void *user, const struct ramjet_dirty_region *regions,
		 unsigned count, struct ramjet_error *err)
{
	(void)user, (void)regions, (void)count, (void)err;
	return 0;
}

static int collect(void *user, struct ramjet_dirty_sink *sink,
		   struct ramjet_error *err)
{
	(void)user, (void)err;
	ramjet_dirty_mark(sink, 0, 5, 2);
	ramjet_dirty_mark(sink, 0, PAGES - 1, 1);
	return 0;
}

static int collect_part(void *user, const struct ramjet_dirty_part *part,
			struct ramjet_dirty_sink *sink,
			struct ramjet_error *err)
{
	(void)user, (void)err;
	ramjet_dirty_mark(sink, 0, part->first_page, part->page_count);
	return 0;
}

static int settle(void *user, struct ramjet_error *err)
{
	(void)user;
	stage.settled++;
	stage.marked_before += (unsigned)rj_bitmap_count(&stage.map);
	return stage.result ? rj_fail(err, stage.result, "the disk is gone")
			    : 0;
}

static void stop(void *user)
{
	(void)user;
}

static const struct ramjet_dirty_ops settling = {
	RAMJET_DIRTY_OPS_INIT, .name = "settling", .start = start,
	.collect = collect,    .stop = stop,       .settle = settle,
};

static void begin(const struct ramjet_dirty_ops *ops)
{
	assert_int_equal(ramjet_dirty_new(ops, NULL, &stage.source, NULL), 0);
	assert_int_equal(rj_dirty_set_start(&stage.set, &stage.source, 1,
					    &stage.region, 1, NULL),
			 0);
}

static int setup(void **state)
{
	(void)state;
	memset(&stage, 0, sizeof(stage));
	stage.region = (struct ramjet_dirty_region){
		.name = "ram0",
		.page_count = PAGES,
		.fd = -1,
	};
	stage.bitmaps[0] = &stage.map;
	if (rj_bitmap_init(&stage.map, PAGES, NULL))
		return -1;
	return rj_crew_start(&stage.crew, "scan", 4, NULL);
}

static int teardown(void **state)
{
	(void)state;
	rj_dirty_set_stop(&stage.set);
	ramjet_dirty_free(stage.source);
	rj_crew_stop(&stage.crew);
	rj_bitmap_done(&stage.map);
	return 0;
}

static int collect_as(const struct rj_dirty_walk *walk, uint64_t *ret_marked)
{
	memset(&stage.err, 0, sizeof(stage.err));
	return rj_dirty_set_collect(&stage.set, walk, stage.bitmaps, ret_marked,
				    &stage.err);
}

static void nothing_is_marked_until_it_has_settled(void **state)
{
	uint64_t marked = 0;

	(void)state;
	begin(&settling);
	assert_true(rj_dirty_set_needs_settle(&stage.set));
	assert_int_equal(collect_as(NULL, &marked), 0);
	assert_int_equal(stage.settled, 1);
	assert_int_equal(stage.marked_before, 0);
	assert_int_equal(marked, 3);
	assert_int_equal(rj_bitmap_count(&stage.map), 3);
	assert_true(rj_bitmap_test(&stage.map, PAGES - 1));
	/* What is still marked is not new. */
	assert_int_equal(rj_bitmap_clear_run(&stage.map, 5, 1), 1);
	assert_int_equal(collect_as(NULL, &marked), 0);
	assert_int_equal(marked, 1);
	assert_int_equal(rj_bitmap_count(&stage.map), 3);
}

static void so_it_is_for_all_sources_and_parts(void **state)
{
	const struct rj_dirty_walk walk = { .crew = &stage.crew };
	struct ramjet_dirty_ops ops = settling;
	struct ramjet_dirty_source *sources[2] = { NULL, NULL };
	uint64_t marked = 0;

	(void)state;
	begin(&settling);
	rj_dirty_set_stop(&stage.set);
	ops.settle = NULL;
	ops.collect_part = collect_part;
	assert_int_equal(ramjet_dirty_new(&ops, NULL, &sources[1], NULL), 0);
	sources[0] = stage.source;
	assert_int_equal(rj_dirty_set_start(&stage.set, sources, 2,
					    &stage.region, 1, NULL),
			 0);
	assert_int_equal(collect_as(&walk, &marked), 0);
	assert_int_equal(stage.settled, 1);
	assert_int_equal(stage.marked_before, 0);
	assert_int_equal(marked, PAGES);
	assert_int_equal(rj_bitmap_count(&stage.map), PAGES);
	rj_dirty_set_stop(&stage.set);
	ramjet_dirty_free(sources[1]);
}

/* Whoever stopped the guest has waited. */
static void the_last_one_does_not_settle(void **state)
{
	const struct rj_dirty_walk walk = { .last = true };
	uint64_t marked = 0;

	(void)state;
	begin(&settling);
	assert_int_equal(collect_as(&walk, &marked), 0);
	assert_int_equal(stage.settled, 0);
	assert_int_equal(stage.set.settled_ns, 0);
	assert_int_equal(marked, 3);
}

/* The source's protection is gone for what it reported: that is not lost. */
static void who_cannot_settle_marks_nothing_and_loses_nothing(void **state)
{
	const struct rj_dirty_walk walk = { .last = true };
	struct ramjet_dirty_ops ops = settling;
	uint64_t marked = 0;

	(void)state;
	begin(&ops);
	stage.result = -ETIMEDOUT;
	assert_int_equal(collect_as(NULL, &marked), -ETIMEDOUT);
	assert_string_equal(stage.err.message,
			    "dirty source settling: the disk is gone");
	assert_int_equal(rj_bitmap_count(&stage.map), 0);
	assert_int_equal(rj_dirty_set_settle(&stage.set, &stage.err),
			 -ETIMEDOUT);
	stage.result = 0;
	assert_int_equal(collect_as(&walk, &marked), 0);
	assert_int_equal(marked, 3);
}

static void nobody_waits_where_there_is_nothing_to_wait_for(void **state)
{
	struct ramjet_dirty_ops ops = settling;
	uint64_t marked = 0;

	(void)state;
	ops.settle = NULL;
	begin(&ops);
	assert_false(rj_dirty_set_needs_settle(&stage.set));
	assert_int_equal(rj_dirty_set_settle(&stage.set, &stage.err), 0);
	assert_int_equal(collect_as(NULL, &marked), 0);
	assert_int_equal(stage.settled, 0);
	assert_int_equal(marked, 3);
}

static void a_source_of_no_memory_settles_too(void **state)
{
	(void)state;
	assert_int_equal(ramjet_dirty_new(&settling, NULL, &stage.source, NULL),
			 0);
	assert_int_equal(
		rj_dirty_set_start(&stage.set, &stage.source, 1, NULL, 0, NULL),
		0);
	assert_true(rj_dirty_set_needs_settle(&stage.set));
	assert_int_equal(rj_dirty_set_settle(&stage.set, &stage.err), 0);
	assert_int_equal(stage.settled, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_is_marked_until_it_has_settled),
		CASE(so_it_is_for_all_sources_and_parts),
		CASE(the_last_one_does_not_settle),
		CASE(who_cannot_settle_marks_nothing_and_loses_nothing),
		CASE(nobody_waits_where_there_is_nothing_to_wait_for),
		CASE(a_source_of_no_memory_settles_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
