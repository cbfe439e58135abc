/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "dirty/source.h"
#include "util/error.h"

#define SMALL_PAGES 100u
#define LARGE_PAGES 3000u

/* A source that does as it is told and keeps a diary. */
struct puppet {
	int start_result;
	int collect_result;
	bool fills_error;
	struct {
		unsigned region;
		uint64_t first;
		uint64_t count;
	} mark;
	const uint64_t *words; /* instead of mark, for region 0 */
	uint64_t words_first;
	size_t words_count;
	char diary[64];
	struct puppet *order_in; /* who else writes into a shared diary */
	char letter;
};

static void note(struct puppet *p, char what)
{
	struct puppet *book = p->order_in ? p->order_in : p;
	size_t used = strlen(book->diary);

	assert_true(used + 3 < sizeof(book->diary));
	if (p->letter)
		book->diary[used++] = p->letter;
	book->diary[used++] = what;
	book->diary[used] = '\0';
}

static int puppet_start(void *user, const struct ramjet_dirty_region *regions,
			unsigned count, struct ramjet_error *err)
{
	struct puppet *p = user;

	assert_int_equal(count, 2);
	assert_string_equal(regions[1].name, "large");
	note(p, 's');
	if (p->fills_error)
		return rj_fail(err, p->start_result, "strings are tangled");
	return p->start_result;
}

static int puppet_collect(void *user, struct ramjet_dirty_sink *sink,
			  struct ramjet_error *err)
{
	struct puppet *p = user;

	(void)err;
	note(p, 'c');
	if (p->words)
		ramjet_dirty_mark_words(sink, 0, p->words_first, p->words,
					p->words_count);
	else
		ramjet_dirty_mark(sink, p->mark.region, p->mark.first,
				  p->mark.count);
	return p->collect_result;
}

static int puppet_rearm(void *user, unsigned region, uint64_t first_page,
			const uint64_t *words, size_t count,
			struct ramjet_error *err)
{
	(void)err;
	assert_int_equal(region, 1);
	assert_int_equal(first_page, 512);
	assert_int_equal(count, 2);
	assert_int_equal(words[1], 7);
	note(user, 'r');
	return 0;
}

static void puppet_stop(void *user)
{
	note(user, 'x');
}

static void puppet_free(void *user)
{
	note(user, 'f');
}

static const struct ramjet_dirty_ops puppet_ops = {
	RAMJET_DIRTY_OPS_INIT,     .name = "puppet",    .start = puppet_start,
	.collect = puppet_collect, .stop = puppet_stop, .free = puppet_free,
};

struct stage {
	struct ramjet_dirty_region regions[2];
	struct rj_bitmap maps[2];
	struct rj_bitmap *bitmaps[2];
	struct rj_dirty_set set;
	struct ramjet_error err;
};

static struct stage stage;

static int stage_setup(void **state)
{
	static const struct ramjet_dirty_region regions[] = {
		{ .name = "small", .page_count = SMALL_PAGES, .fd = -1 },
		{ .name = "large", .page_count = LARGE_PAGES, .fd = -1 },
	};

	(void)state;
	memset(&stage, 0, sizeof(stage));
	for (unsigned i = 0; i < 2; i++) {
		stage.regions[i] = regions[i];
		stage.bitmaps[i] = &stage.maps[i];
		if (rj_bitmap_init(&stage.maps[i], regions[i].page_count, NULL))
			return -1;
	}
	return 0;
}

static int stage_teardown(void **state)
{
	(void)state;
	rj_bitmap_done(&stage.maps[0]);
	rj_bitmap_done(&stage.maps[1]);
	return 0;
}

static struct ramjet_dirty_source *puppet_source(struct puppet *p)
{
	struct ramjet_dirty_source *source = NULL;

	assert_int_equal(ramjet_dirty_new(&puppet_ops, p, &source, NULL), 0);
	return source;
}

static int start(struct ramjet_dirty_source **sources, unsigned count)
{
	return rj_dirty_set_start(&stage.set, sources, count, stage.regions, 2,
				  &stage.err);
}

static int collect(uint64_t *ret_marked)
{
	return rj_dirty_set_collect(&stage.set, NULL, stage.bitmaps, ret_marked,
				    &stage.err);
}

static void several_sources_are_ored(void **state)
{
	struct puppet a = { .mark = { 1, 10, 20 } };
	struct puppet b = { .mark = { 1, 20, 20 } };
	struct ramjet_dirty_source *sources[] = { puppet_source(&a),
						  puppet_source(&b) };
	uint64_t marked = 0;

	(void)state;
	assert_int_equal(start(sources, 2), 0);
	assert_int_equal(collect(&marked), 0);
	assert_int_equal(marked, 30);
	assert_int_equal(rj_bitmap_count(&stage.maps[0]), 0);
	assert_int_equal(rj_bitmap_count(&stage.maps[1]), 30);
	assert_int_equal(collect(&marked), 0);
	assert_int_equal(marked, 0);
	rj_dirty_set_stop(&stage.set);
	ramjet_dirty_free(sources[0]);
	ramjet_dirty_free(sources[1]);
	assert_string_equal(a.diary, "sccxf");
	assert_string_equal(b.diary, "sccxf");
}

static void a_failed_start_stops_what_was_started(void **state)
{
	struct puppet a = { .letter = 'a' };
	struct puppet b = { .letter = 'b',
			    .order_in = &a,
			    .start_result = -EPERM,
			    .fills_error = true };
	struct puppet c = { .letter = 'c', .order_in = &a };
	struct ramjet_dirty_source *sources[] = { puppet_source(&a),
						  puppet_source(&b),
						  puppet_source(&c) };

	(void)state;
	assert_int_equal(start(sources, 3), -EPERM);
	assert_string_equal(stage.err.message,
			    "dirty source puppet: strings are tangled");
	assert_string_equal(a.diary, "asbsbxax");
	assert_int_equal(stage.set.started, 0);
	/* A second stop is nothing. */
	rj_dirty_set_stop(&stage.set);
	assert_string_equal(a.diary, "asbsbxax");
	for (unsigned i = 0; i < 3; i++)
		ramjet_dirty_free(sources[i]);
}

static void a_failure_without_words_is_explained(void **state)
{
	struct puppet p = { .collect_result = -EIO };
	struct ramjet_dirty_source *source = puppet_source(&p);
	uint64_t marked;

	(void)state;
	assert_int_equal(start(&source, 1), 0);
	assert_int_equal(collect(&marked), -EIO);
	assert_string_equal(
		stage.err.message,
		"dirty source puppet: collect failed: Input/output error");
	rj_dirty_set_stop(&stage.set);
	ramjet_dirty_free(source);
}

static void marks_outside_are_told_and_lose_nothing(void **state)
{
	static const struct {
		unsigned region;
		uint64_t first;
		uint64_t count;
		uint64_t inside;
		const char *message;
	} cases[] = {
		{ 0, 99, 2, 1, "marked 1 pages outside of the blocks" },
		{ 0, 100, 1, 0, "marked 1 pages outside of the blocks" },
		{ 0, UINT64_MAX, 5, 0, "marked 5 pages outside of the blocks" },
		{ 0, 90, UINT64_MAX, 10,
		  "marked 18446744073709551605 pages outside of the blocks" },
		{ 2, 0, 3, 0, "marked 3 pages outside of the blocks" },
	};

	(void)state;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(cases); i++) {
		struct puppet p = { .mark = { cases[i].region, cases[i].first,
					      cases[i].count } };
		struct ramjet_dirty_source *source = puppet_source(&p);
		uint64_t marked;

		rj_bitmap_clear_run(&stage.maps[0], 0, SMALL_PAGES);
		assert_int_equal(start(&source, 1), 0);
		assert_int_equal(collect(&marked), -ERANGE);
		assert_non_null(strstr(stage.err.message, cases[i].message));
		assert_int_equal(rj_bitmap_count(&stage.maps[0]),
				 cases[i].inside);
		rj_dirty_set_stop(&stage.set);
		ramjet_dirty_free(source);
	}
}

static void words_outside_are_told_and_lose_nothing(void **state)
{
	static const uint64_t words[] = { 1, UINT64_C(3) << 35, 0, 4 };
	static const struct {
		uint64_t first;
		size_t count;
		uint64_t inside;
		int result;
	} cases[] = {
		{ 0, 1, 1, 0 },          { 0, 2, 2, -ERANGE },
		{ 64, 1, 1, 0 },         { 64, 4, 1, -ERANGE },
		{ 128, 1, 0, -ERANGE },  { 32, 1, 0, -ERANGE },
		{ 1024, 2, 0, -ERANGE },
	};

	(void)state;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(cases); i++) {
		struct puppet p = { .words = words,
				    .words_first = cases[i].first,
				    .words_count = cases[i].count };
		struct ramjet_dirty_source *source = puppet_source(&p);
		uint64_t marked;

		rj_bitmap_clear_run(&stage.maps[0], 0, SMALL_PAGES);
		assert_int_equal(start(&source, 1), 0);
		assert_int_equal(collect(&marked), cases[i].result);
		assert_int_equal(rj_bitmap_count(&stage.maps[0]),
				 cases[i].inside);
		rj_dirty_set_stop(&stage.set);
		ramjet_dirty_free(source);
	}
}

static void rearm_goes_to_those_who_want_it(void **state)
{
	struct ramjet_dirty_ops ops = puppet_ops;
	struct puppet plain = { 0 };
	struct puppet wants = { 0 };
	struct ramjet_dirty_source *sources[] = { puppet_source(&plain), NULL };
	const uint64_t words[2] = { 1, 7 };

	(void)state;
	assert_int_equal(start(sources, 1), 0);
	assert_false(rj_dirty_set_needs_rearm(&stage.set));
	rj_dirty_set_stop(&stage.set);

	ops.rearm = puppet_rearm;
	assert_int_equal(ramjet_dirty_new(&ops, &wants, &sources[1], NULL), 0);
	assert_int_equal(start(sources, 2), 0);
	assert_true(rj_dirty_set_needs_rearm(&stage.set));
	assert_int_equal(
		rj_dirty_set_rearm(&stage.set, 1, 512, words, 2, &stage.err),
		0);
	rj_dirty_set_stop(&stage.set);
	assert_string_equal(plain.diary, "sxsx");
	assert_string_equal(wants.diary, "srx");
	ramjet_dirty_free(sources[0]);
	ramjet_dirty_free(sources[1]);
}

static int puppet_begin(void *user, uint32_t flags, struct ramjet_error *err)
{
	struct puppet *p = user;

	(void)err;
	note(p, flags & RAMJET_DIRTY_LAST ? 'L' : 'b');
	return p->collect_result;
}

static int puppet_part(void *user, const struct ramjet_dirty_part *part,
		       struct ramjet_dirty_sink *sink, struct ramjet_error *err)
{
	(void)err;
	note(user, part->flags & RAMJET_DIRTY_LAST ? 'P' : 'p');
	ramjet_dirty_mark(sink, part->region, part->first_page, 1);
	return 0;
}

static void a_collect_by_parts_has_a_beginning(void **state)
{
	static const struct rj_dirty_walk last = { .last = true };
	struct ramjet_dirty_ops ops = puppet_ops;
	struct puppet p = { 0 };
	struct ramjet_dirty_source *source = NULL;
	uint64_t marked = 0;

	(void)state;
	ops.collect_begin = puppet_begin;
	assert_int_equal(ramjet_dirty_new(&ops, &p, &source, &stage.err),
			 -EINVAL);
	assert_string_equal(stage.err.message,
			    "dirty source: ops with collect_begin need "
			    "collect_part");
	ops.collect_part = puppet_part;
	assert_int_equal(ramjet_dirty_new(&ops, &p, &source, NULL), 0);
	assert_int_equal(start(&source, 1), 0);
	assert_int_equal(collect(&marked), 0);
	assert_int_equal(marked, 2);
	assert_int_equal(rj_dirty_set_collect(&stage.set, &last, stage.bitmaps,
					      &marked, &stage.err),
			 0);
	assert_int_equal(marked, 0);
	/* No part is asked for after a beginning that failed. */
	p.collect_result = -EIO;
	assert_int_equal(collect(&marked), -EIO);
	assert_string_equal(
		stage.err.message,
		"dirty source puppet: collect failed: Input/output error");
	rj_dirty_set_stop(&stage.set);
	assert_string_equal(p.diary, "sbppLPPbx");
	ramjet_dirty_free(source);
}

#define GIB_PAGES (UINT64_C(1) << 18)

static int part_of_whole_gib(void *user, const struct ramjet_dirty_part *part,
			     struct ramjet_dirty_sink *sink,
			     struct ramjet_error *err)
{
	uint64_t *pages = user;

	(void)sink;
	assert_int_equal(part->first_page % GIB_PAGES, 0);
	assert_int_equal(part->page_count % GIB_PAGES, 0);
	*pages += part->page_count;
	return err->code;
}

static int begin_nothing(void *user, const struct ramjet_dirty_region *regions,
			 unsigned count, struct ramjet_error *err)
{
	(void)user;
	(void)regions;
	(void)count;
	return err->code;
}

static void stop_nothing(void *user)
{
	(void)user;
}

static void no_part_is_a_part_of_a_page(void **state)
{
	const struct ramjet_dirty_region region = {
		.name = "huge",
		.page_count = 3 * GIB_PAGES,
		.page_bytes = 1u << 30,
	};
	struct ramjet_dirty_ops ops = puppet_ops;
	struct ramjet_dirty_source *source = NULL;
	struct rj_bitmap map, *maps[] = { &map };
	uint64_t pages = 0, marked = 0;

	(void)state;
	ops.start = begin_nothing;
	ops.stop = stop_nothing;
	ops.free = NULL;
	ops.collect_part = part_of_whole_gib;
	assert_int_equal(ramjet_dirty_new(&ops, &pages, &source, NULL), 0);
	assert_int_equal(rj_bitmap_init(&map, region.page_count, NULL), 0);
	assert_int_equal(rj_dirty_set_start(&stage.set, &source, 1, &region, 1,
					    &stage.err),
			 0);
	assert_int_equal(rj_dirty_set_collect(&stage.set, NULL, maps, &marked,
					      &stage.err),
			 0);
	assert_int_equal(pages, region.page_count);
	rj_dirty_set_stop(&stage.set);
	ramjet_dirty_free(source);
	rj_bitmap_done(&map);
}

static void incomplete_ops_are_refused(void **state)
{
	struct ramjet_dirty_ops ops = puppet_ops;
	struct ramjet_dirty_source *source = NULL;

	(void)state;
	ops.collect = NULL;
	assert_int_equal(ramjet_dirty_new(&ops, NULL, &source, &stage.err),
			 -EINVAL);
	assert_string_equal(stage.err.message,
			    "dirty source: ops need name, start, collect and "
			    "stop");
	assert_int_equal(ramjet_dirty_new(NULL, NULL, &source, NULL), -EINVAL);
	assert_int_equal(ramjet_dirty_new(&puppet_ops, NULL, NULL, NULL),
			 -EINVAL);
	assert_null(source);
	assert_int_equal(ramjet_dirty_free(NULL), 0);
}

int main(void)
{
#define on_stage(test) \
	cmocka_unit_test_setup_teardown(test, stage_setup, stage_teardown)
	const struct CMUnitTest tests[] = {
		on_stage(several_sources_are_ored),
		on_stage(a_failed_start_stops_what_was_started),
		on_stage(a_failure_without_words_is_explained),
		on_stage(marks_outside_are_told_and_lose_nothing),
		on_stage(words_outside_are_told_and_lose_nothing),
		on_stage(rearm_goes_to_those_who_want_it),
		on_stage(a_collect_by_parts_has_a_beginning),
		on_stage(no_part_is_a_part_of_a_page),
		on_stage(incomplete_ops_are_refused),
	};

	return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
