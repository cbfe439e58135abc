/* SPDX-License-Identifier: BSD-3-Clause */
/* Sources that are armed and collected by parts. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "dirty/rehearsal.h"
#include "util/error.h"

#define REGIONS     3u
#define LARGE_PAGES (3u * 65536 + 1000)
#define ALL_PAGES   (100u + LARGE_PAGES + 512)

/* Marks whatever it is asked for, in a map of its own as well, where nothing may
 * be asked for twice. */
struct greedy {
	struct rj_bitmap asked[REGIONS];
	_Atomic unsigned parts;
	_Atomic unsigned twice;
	_Atomic unsigned uneven; /* parts that do not keep to chunks */
	_Atomic uint32_t flags;
	int result; /* of the part that has page 70000 of region 1 */
	unsigned armed_parts;
	uint64_t beyond; /* pages marked past the end */
};

struct stage {
	struct ramjet_dirty_region regions[REGIONS];
	struct rj_bitmap maps[REGIONS];
	struct rj_bitmap *bitmaps[REGIONS];
	struct greedy greedy;
	struct ramjet_dirty_source *source;
	struct rj_dirty_set set;
	struct rj_crew crew;
	struct ramjet_error err;
};

static const uint64_t pages_of[REGIONS] = { 100, LARGE_PAGES, 512 };

static int greedy_start(void *user, const struct ramjet_dirty_region *regions,
			unsigned count, struct ramjet_error *err)
{
	(void)user, (void)regions, (void)count, (void)err;
	return 0;
}

/* Called only where there are no parts. */
static int greedy_collect(void *user, struct ramjet_dirty_sink *sink,
			  struct ramjet_error *err)
{
	(void)user, (void)err;
	ramjet_dirty_mark(sink, 0, 5, 1);
	return 0;
}

static void check_part(struct greedy *g, const struct ramjet_dirty_part *part)
{
	const uint64_t end = part->first_page + part->page_count;

	assert_true(part->size == sizeof(*part));
	if (part->first_page % 512 ||
	    (end % 512 && end != pages_of[part->region]) || !part->page_count)
		atomic_fetch_add(&g->uneven, 1);
}

static int greedy_part(void *user, const struct ramjet_dirty_part *part,
		       struct ramjet_dirty_sink *sink, struct ramjet_error *err)
{
	struct greedy *g = user;
	const uint64_t end = part->first_page + part->page_count;
	const bool fails = g->result && part->region == 1 &&
			   part->first_page <= 70000 && end > 70000;

	check_part(g, part);
	atomic_fetch_add(&g->parts, 1);
	atomic_store(&g->flags, part->flags);
	if (rj_bitmap_set_run(&g->asked[part->region], part->first_page,
			      part->page_count) != part->page_count)
		atomic_fetch_add(&g->twice, 1);
	ramjet_dirty_mark(sink, part->region, part->first_page,
			  part->page_count + g->beyond);
	return fails ? rj_fail(err, g->result, "this part is bad") : 0;
}

static int greedy_arm(void *user, const struct ramjet_dirty_part *part,
		      struct ramjet_error *err)
{
	struct greedy *g = user;

	assert_int_equal(part->region, 1);
	assert_int_equal(part->first_page, 1024);
	assert_int_equal(part->page_count, 512);
	assert_int_equal(part->flags, 0);
	g->armed_parts++;
	return g->result ? rj_fail(err, g->result, "no arms") : 0;
}

static void greedy_stop(void *user)
{
	(void)user;
}

static const struct ramjet_dirty_ops greedy_ops = {
	RAMJET_DIRTY_OPS_INIT, .name = "greedy",
	.start = greedy_start, .collect = greedy_collect,
	.stop = greedy_stop,   .collect_part = greedy_part,
};

static struct stage stage;

static void begin(const struct ramjet_dirty_ops *ops)
{
	assert_int_equal(
		ramjet_dirty_new(ops, &stage.greedy, &stage.source, NULL), 0);
	assert_int_equal(rj_dirty_set_start(&stage.set, &stage.source, 1,
					    stage.regions, REGIONS, NULL),
			 0);
}

static int setup(void **state)
{
	static const char *const names[REGIONS] = { "small", "large", "chunk" };

	(void)state;
	memset(&stage, 0, sizeof(stage));
	for (unsigned i = 0; i < REGIONS; i++) {
		stage.regions[i] = (struct ramjet_dirty_region){
			.name = names[i],
			.page_count = pages_of[i],
			.fd = -1,
		};
		stage.bitmaps[i] = &stage.maps[i];
		if (rj_bitmap_init(&stage.maps[i], pages_of[i], NULL) ||
		    rj_bitmap_init(&stage.greedy.asked[i], pages_of[i], NULL))
			return -1;
	}
	return rj_crew_start(&stage.crew, "scan", 4, NULL);
}

static int teardown(void **state)
{
	(void)state;
	rj_dirty_set_stop(&stage.set);
	ramjet_dirty_free(stage.source);
	rj_crew_stop(&stage.crew);
	for (unsigned i = 0; i < REGIONS; i++) {
		rj_bitmap_done(&stage.maps[i]);
		rj_bitmap_done(&stage.greedy.asked[i]);
	}
	return 0;
}

static void forget(void)
{
	for (unsigned i = 0; i < REGIONS; i++) {
		(void)rj_bitmap_clear_run(&stage.maps[i], 0, pages_of[i]);
		(void)rj_bitmap_clear_run(&stage.greedy.asked[i], 0,
					  pages_of[i]);
	}
}

static void all_is_asked_for_once(void **state)
{
	struct rj_dirty_walk walk = { .crew = NULL };

	(void)state;
	begin(&greedy_ops);
	for (unsigned round = 0; round < 4; round++) {
		uint64_t marked = 0;

		walk.crew = round & 1 ? &stage.crew : NULL;
		walk.last = round & 2;
		assert_int_equal(rj_dirty_set_collect(&stage.set, &walk,
						      stage.bitmaps, &marked,
						      &stage.err),
				 0);
		assert_int_equal(marked, ALL_PAGES);
		/* Nobody here does the last one otherwise. */
		assert_true(stage.set.alike_ns > 0);
		assert_false(rj_rehearsal_is_useful(&stage.set));
		for (unsigned i = 0; i < REGIONS; i++)
			assert_int_equal(
				rj_bitmap_count(&stage.greedy.asked[i]),
				pages_of[i]);
		assert_int_equal(stage.greedy.twice, 0);
		assert_int_equal(stage.greedy.uneven, 0);
		assert_int_equal(stage.greedy.flags,
				 walk.last ? RAMJET_DIRTY_LAST : 0);
		forget();
	}
}

static void parts_and_wholes_are_ored(void **state)
{
	struct ramjet_dirty_ops ops = greedy_ops;
	struct ramjet_dirty_source *sources[2] = { NULL, NULL };
	uint64_t marked = 0;

	(void)state;
	begin(&greedy_ops);
	rj_dirty_set_stop(&stage.set);
	ops.collect_part = NULL;
	assert_int_equal(
		ramjet_dirty_new(&ops, &stage.greedy, &sources[0], NULL), 0);
	sources[1] = stage.source;
	assert_int_equal(rj_dirty_set_start(&stage.set, sources, 2,
					    stage.regions, REGIONS, NULL),
			 0);
	assert_int_equal(rj_dirty_set_collect(&stage.set, NULL, stage.bitmaps,
					      &marked, &stage.err),
			 0);
	/* The page that both mark counts once. */
	assert_int_equal(marked, ALL_PAGES);
	rj_dirty_set_stop(&stage.set);
	ramjet_dirty_free(sources[0]);
}

static void who_need_not_be_armed_is_asked_for_all(void **state)
{
	uint64_t marked = 0;

	(void)state;
	begin(&greedy_ops);
	assert_false(rj_dirty_set_needs_arm(&stage.set));
	/* Nobody wants to know. */
	assert_int_equal(rj_dirty_set_arm(&stage.set, 1, 1024, 512, &stage.err),
			 0);
	assert_int_equal(rj_dirty_set_collect(&stage.set, NULL, stage.bitmaps,
					      &marked, &stage.err),
			 0);
	assert_int_equal(marked, ALL_PAGES);
}

static void arming_may_fail(void **state)
{
	struct ramjet_dirty_ops ops = greedy_ops;

	(void)state;
	ops.arm = greedy_arm;
	begin(&ops);
	assert_true(rj_dirty_set_needs_arm(&stage.set));
	assert_int_equal(rj_dirty_set_arm(&stage.set, 1, 1024, 512, &stage.err),
			 0);
	stage.greedy.result = -ENOSPC;
	assert_int_equal(rj_dirty_set_arm(&stage.set, 1, 1024, 512, &stage.err),
			 -ENOSPC);
	assert_string_equal(stage.err.message, "dirty source greedy: no arms");
	assert_int_equal(stage.greedy.armed_parts, 2);
	/* It could not be told what to collect. */
	memset(&stage.err, 0, sizeof(stage.err));
	ops.collect_part = NULL;
	assert_int_equal(
		ramjet_dirty_new(&ops, NULL, &stage.source, &stage.err),
		-EINVAL);
	assert_string_equal(stage.err.message,
			    "dirty source: ops with arm need collect_part");
}

static void a_bad_part_fails_the_collect(void **state)
{
	struct rj_dirty_walk walk = { .crew = NULL };

	(void)state;
	begin(&greedy_ops);
	stage.greedy.result = -EIO;
	for (unsigned round = 0; round < 2; round++) {
		uint64_t marked;

		walk.crew = round ? &stage.crew : NULL;
		memset(&stage.err, 0, sizeof(stage.err));
		assert_int_equal(rj_dirty_set_collect(&stage.set, &walk,
						      stage.bitmaps, &marked,
						      &stage.err),
				 -EIO);
		assert_string_equal(stage.err.message,
				    "dirty source greedy: this part is bad");
		forget();
	}
}

static void marks_outside_are_told_of_parts_too(void **state)
{
	struct rj_dirty_walk walk = { .crew = NULL };

	(void)state;
	begin(&greedy_ops);
	stage.greedy.beyond = 100000;
	for (unsigned round = 0; round < 2; round++) {
		uint64_t marked;

		walk.crew = round ? &stage.crew : NULL;
		assert_int_equal(rj_dirty_set_collect(&stage.set, &walk,
						      stage.bitmaps, &marked,
						      &stage.err),
				 -ERANGE);
		assert_non_null(strstr(stage.err.message,
				       "pages outside of the blocks"));
		forget();
	}
}

/* Of 12 TiB there are not more than can be asked for in no time; each page is in
 * one of them. */
static void very_large_guests_have_few_pieces(void **state)
{
	const uint64_t large = UINT64_C(12) << 40 >> 12;
	uint64_t pieces, page = 0;
	unsigned region = 0;

	(void)state;
	stage.regions[1].page_count = large;
	begin(&greedy_ops);
	pieces = rj_dirty_set_pieces(&stage.set);
	assert_in_range(pieces, 1024, 2048 + REGIONS);
	for (uint64_t i = 0; i < pieces; i++) {
		const struct ramjet_dirty_part part =
			rj_dirty_set_piece(&stage.set, i);

		assert_int_equal(part.region, region);
		assert_int_equal(part.first_page, page);
		assert_true(part.page_count > 0);
		page += part.page_count;
		if (page < stage.regions[region].page_count) {
			assert_int_equal(page % 512, 0);
			continue;
		}
		assert_int_equal(page, stage.regions[region].page_count);
		region++;
		page = 0;
	}
	assert_int_equal(region, REGIONS);
}

int main(void)
{
#define on_stage(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		on_stage(all_is_asked_for_once),
		on_stage(parts_and_wholes_are_ored),
		on_stage(who_need_not_be_armed_is_asked_for_all),
		on_stage(arming_may_fail),
		on_stage(a_bad_part_fails_the_collect),
		on_stage(marks_outside_are_told_of_parts_too),
		on_stage(very_large_guests_have_few_pieces),
	};

	return cmocka_run_group_tests_name("source_parts", tests, NULL, NULL);
}
