/* SPDX-License-Identifier: BSD-3-Clause */
/* No page is read before its source has settled: in the beginning, when all is
 * armed, and after each collect. What is written meanwhile is never marked. */
#include "tests/unit/cmocka_all.h"

#include <stdatomic.h>
#include <string.h>

#include "ramjet-dirty.h"
#include "tests/unit/engine/wide_vm.h"

/* Some windows of 4096 pages, which workers would arm one at a time. */
#define PAGES (UINT64_C(3) * 4096 + 1)
/* What reads pin in each collect, of two chunks; and how many there are. */
#define PINNED   600u
#define COLLECTS 20u

static struct wide_move move = { .params = { RAMJET_PARAMS_INIT } };
static _Atomic uint64_t armed;
static _Atomic unsigned arms;
static unsigned settled, collects;
static bool is_pinned, is_last, is_last_settled;

static int start(void *user, const struct ramjet_dirty_region *regions,
		 unsigned count, struct ramjet_error *err)
{
	(void)user, (void)regions, (void)count, (void)err;
	return 0;
}

static int arm(void *user, const struct ramjet_dirty_part *part,
	       struct ramjet_error *err)
{
	(void)user, (void)err;
	atomic_fetch_add(&armed, part->page_count);
	atomic_fetch_add(&arms, 1);
	return 0;
}

static int collect(void *user, struct ramjet_dirty_sink *sink,
		   struct ramjet_error *err)
{
	(void)user, (void)sink, (void)err;
	return -1;
}

static int collect_part(void *user, const struct ramjet_dirty_part *part,
			struct ramjet_dirty_sink *sink,
			struct ramjet_error *err)
{
	(void)user, (void)err;
	/* Not its rehearsal, of which this source has none. */
	is_last |= part->flags & RAMJET_DIRTY_LAST;
	if (part->first_page || collects == COLLECTS || is_last)
		return 0;
	collects++;
	is_pinned = true;
	ramjet_dirty_mark(sink, 0, 0, PINNED);
	return 0;
}

static void write_pages(uint64_t count)
{
	for (uint64_t page = 0; page < count; page++)
		wide_vm_write(&move.source, 0, page, 1000 + settled);
}

/* The disk delivers. */
static int settle(void *user, struct ramjet_error *err)
{
	(void)user, (void)err;
	is_last_settled |= is_last;
	if (!settled++) {
		assert_int_equal(armed, PAGES);
		write_pages(PAGES);
	} else if (is_pinned) {
		write_pages(PINNED);
	}
	is_pinned = false;
	return 0;
}

static void stop(void *user)
{
	(void)user;
}

static void nothing_is_read_before_it_has_settled(void **state)
{
	static const struct ramjet_dirty_ops tracking = {
		RAMJET_DIRTY_OPS_INIT,
		.name = "tracking",
		.start = start,
		.collect = collect,
		.stop = stop,
		.collect_part = collect_part,
		.arm = arm,
		.settle = settle,
	};
	const struct wide_block block = { .pages = PAGES };
	struct ramjet_dirty_source *source = NULL;

	(void)state;
	assert_null(wide_vm_init(&move.source, &block, 1, false));
	assert_null(wide_vm_init(&move.target, &block, 1, false));
	assert_int_equal(ramjet_dirty_new(&tracking, NULL, &source, NULL), 0);
	assert_int_equal(
		ramjet_guest_add_dirty_source(move.source.guest, source, NULL),
		0);
	for (uint64_t page = 0; page < PAGES; page++)
		wide_vm_write(&move.source, 0, page, 1);
	move.params.channels = 2;
	/* Verified: no byte differs. */
	wide_move(&move);
	assert_int_equal(arms, 1);
	assert_true(collects > 0 && is_last);
	assert_true(settled > 1);
	assert_false(is_last_settled);
	wide_move_done(&move);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_read_before_it_has_settled),
	};

	return cmocka_run_group_tests_name("settled_first", tests, NULL, NULL);
}
