/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "engine/source/collect.h"
#include "tests/unit/engine/bare_env.h"
#include "util/clock.h"

#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

static void small_guests_need_nobody(void **state)
{
	(void)state;
	assert_int_equal(rj_collect_crew(16, 0), 1);
	assert_int_equal(rj_collect_crew(16, GIB), 1);
	assert_int_equal(rj_collect_crew(0, 12 * TIB), 1);
	assert_int_equal(rj_collect_crew(1, 12 * TIB), 1);
}

static void large_ones_have_all_cpus(void **state)
{
	(void)state;
	assert_int_equal(rj_collect_crew(2, 8 * GIB), 2);
	assert_int_equal(rj_collect_crew(16, 8 * GIB), 8);
	assert_int_equal(rj_collect_crew(16, TIB), 16);
	assert_int_equal(rj_collect_crew(1000, 12 * TIB), 64);
}

static void while_the_guest_runs_few_do(void **state)
{
	(void)state;
	assert_int_equal(rj_collect_running(2, 8 * GIB), 1);
	assert_int_equal(rj_collect_running(16, 63 * GIB), 1);
	assert_int_equal(rj_collect_running(16, 256 * GIB), 5);
	assert_int_equal(rj_collect_running(16, 12 * TIB), 16);
	assert_int_equal(rj_collect_running(1, 12 * TIB), 1);
}

/* ---- what is asked of a source whose last collect is another ------------- */

#define PAGES        1024u
#define REHEARSAL_US 20000u

static struct {
	unsigned rehearsals, running, last;
} asked;

static int begin_tracking(void *user, const struct ramjet_dirty_region *regions,
			  unsigned count, struct ramjet_error *err)
{
	(void)user, (void)regions, (void)count, (void)err;
	return 0;
}

static int collect_all(void *user, struct ramjet_dirty_sink *sink,
		       struct ramjet_error *err)
{
	(void)user, (void)sink, (void)err;
	return -1;
}

/* The last one, and its rehearsal, take longer than those before. */
static int collect_part(void *user, const struct ramjet_dirty_part *part,
			struct ramjet_dirty_sink *sink,
			struct ramjet_error *err)
{
	const uint64_t until_us = rj_now_us() + REHEARSAL_US;

	(void)user, (void)err;
	if (!(part->flags & RAMJET_DIRTY_LAST)) {
		asked.running++;
		ramjet_dirty_mark(sink, 0, 7, 1);
		return 0;
	}
	while (rj_now_us() < until_us)
		;
	if (sink->count)
		asked.last++;
	else
		asked.rehearsals++;
	return 0;
}

static void end_tracking(void *user)
{
	(void)user;
}

static const struct ramjet_dirty_ops ops = {
	RAMJET_DIRTY_OPS_INIT,   .name = "fake",
	.start = begin_tracking, .collect = collect_all,
	.stop = end_tracking,    .collect_part = collect_part,
};

struct scene {
	struct rj_source_pages pages;
	struct ramjet_dirty_source *source;
	struct ramjet_dirty_region region;
	struct rj_estimate estimate;
	struct bare_env bare;
};

static struct scene *open_scene(bool last_differs)
{
	static const struct rj_block block = { .page_count = PAGES };
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	memset(&asked, 0, sizeof(asked));
	bare_env_open(&s->bare);
	s->region = (struct ramjet_dirty_region){ .name = "ram0",
						  .page_count = PAGES,
						  .fd = -1 };
	s->pages.regions = &s->region;
	assert_int_equal(
		rj_rounds_init(&s->pages.rounds, &block, 1, 1, -1, NULL), 0);
	assert_int_equal(ramjet_dirty_new(&ops, NULL, &s->source, NULL), 0);
	s->source->last_differs = last_differs;
	assert_int_equal(rj_dirty_set_start(&s->pages.dirty, &s->source, 1,
					    &s->region, 1, NULL),
			 0);
	assert_int_equal(rj_collect_begin(&s->pages, NULL), 0);
	return s;
}

static void close_scene(struct scene *s)
{
	rj_collect_end(&s->pages, &s->bare.env);
	rj_dirty_set_stop(&s->pages.dirty);
	ramjet_dirty_free(s->source);
	rj_rounds_done(&s->pages.rounds);
	bare_env_close(&s->bare);
	free(s);
}

static void collect(struct scene *s, bool last)
{
	uint64_t pages;

	assert_int_equal(rj_collect(&s->pages, &s->estimate, last, &s->bare.env,
				    &pages, NULL),
			 0);
}

static void the_last_one_is_rehearsed(void **state)
{
	struct scene *s = open_scene(true);

	(void)state;
	collect(s, false);
	assert_int_equal(asked.rehearsals, 1);
	assert_int_equal(asked.running, 1);
	assert_int_equal(s->estimate.last_us.samples, 1);
	/* Clocks round. */
	assert_true(s->estimate.last_us.mean >= REHEARSAL_US / 2.0);
	/* Not again soon after one that took so long. */
	s->pages.collects.rehearsal_took_us = UINT32_MAX;
	collect(s, false);
	assert_int_equal(asked.rehearsals, 1);
	assert_int_equal(asked.running, 2);
	assert_int_equal(s->estimate.last_us.samples, 1);
	s->pages.collects.rehearsal_took_us = 0;
	collect(s, true);
	assert_int_equal(asked.rehearsals, 1);
	assert_int_equal(asked.running, 2);
	assert_int_equal(asked.last, 1);
	close_scene(s);
}

/* Of sources without another last one, each collect tells. */
static void what_is_no_news_is_not_rehearsed(void **state)
{
	struct scene *s = open_scene(false);

	(void)state;
	collect(s, false);
	collect(s, false);
	assert_int_equal(asked.rehearsals, 0);
	/* The first is forgotten if it was slow by chance. */
	assert_in_range(s->estimate.last_us.samples, 1, 2);
	close_scene(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_guests_need_nobody),
		cmocka_unit_test(large_ones_have_all_cpus),
		cmocka_unit_test(while_the_guest_runs_few_do),
		cmocka_unit_test(the_last_one_is_rehearsed),
		cmocka_unit_test(what_is_no_news_is_not_rehearsed),
	};

	return cmocka_run_group_tests_name("collect", tests, NULL, NULL);
}
