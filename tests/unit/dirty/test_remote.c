/* SPDX-License-Identifier: BSD-3-Clause */
/* What another process writes and discards, tracked in its own address space. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/dirty/remote_tracker.h"

static void reports_exactly_what_was_written(void **state)
{
	static const uint64_t written[] = { 0,    1,    2,    511,  512, 1023,
					    1500, 2047, 2048, 2600, 4095 };
	struct how *how = *state;
	struct remote_tracker t;
	uint64_t unit;

	begin(&t, how);
	unit = t.child.unit_pages;
	assert_int_equal(remote_collect(&t), 0);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < RJ_ARRAY_SIZE(written); i++)
			child_do(&t.child, CHILD_WRITE, written[i], 1,
				 round + 2);
		assert_true(remote_collect(&t) > 0);
		for (uint64_t page = 0; page < PAGES; page++) {
			bool wanted = false;

			for (unsigned i = 0; i < RJ_ARRAY_SIZE(written); i++)
				wanted |= written[i] / unit == page / unit;
			assert_int_equal(remote_is_marked(&t, page), wanted);
		}
		remote_send(&t);
		assert_int_equal(remote_collect(&t), 0);
	}
	/* Reading what is populated is no write. */
	child_do(&t.child, CHILD_READ, 0, PAGES / 2, 0);
	assert_int_equal(remote_collect(&t), 0);
	remote_check_copy(&t);
	remote_end(&t);
}

/* As KVM, vhost or read() write guest memory. */
static void sees_writes_of_the_kernel(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;
	uint64_t unit;

	begin(&t, how);
	unit = t.child.unit_pages;
	assert_int_equal(remote_collect(&t), 0);
	child_do(&t.child, CHILD_KERNEL_WRITE, unit, 1, 9);
	child_do(&t.child, CHILD_KERNEL_WRITE, PAGES - 1, 1, 9);
	assert_true(remote_collect(&t) >= 2);
	assert_true(remote_is_marked(&t, unit));
	assert_true(remote_is_marked(&t, PAGES - 1));
	remote_send(&t);
	assert_int_equal(t.copy[unit], 9);
	remote_end(&t);
}

static void what_is_discarded_is_reported_once(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;
	uint64_t unit;

	begin(&t, how);
	unit = t.child.unit_pages;
	discard(&t, unit, 2 * unit);
	assert_int_equal(remote_collect(&t), 2 * unit);
	assert_true(remote_is_marked(&t, unit));
	assert_true(remote_is_marked(&t, 3 * unit - 1));
	remote_send(&t);
	assert_int_equal(t.copy[unit], 0);
	/* Sending may have populated it again, which is no change. */
	remote_settle(&t, 1);
	/* Again, of pages that were written, and that were not. */
	child_do(&t.child, CHILD_WRITE, unit, 1, 7);
	discard(&t, unit, 2 * unit);
	assert_true(remote_collect(&t) >= unit);
	assert_true(remote_is_marked(&t, unit));
	remote_send(&t);
	remote_settle(&t, 1);
	remote_check_copy(&t);
	remote_end(&t);
}

/* Sent without touching it there, through another mapping say. Of shared huge
 * pages nobody knows whether they have data: these are told until they have. */
static void what_is_discarded_and_left_alone_is_reported_once(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;
	uint64_t unit;

	begin(&t, how);
	unit = t.child.unit_pages;
	for (unsigned round = 0; round < 2; round++) {
		discard(&t, unit, 2 * unit);
		assert_int_equal(remote_collect(&t), 2 * unit);
		remote_forget(&t);
		assert_int_equal(remote_collect(&t),
				 how->kind == MEMORY_HUGETLB_MEMFD ? 2 * unit
								   : 0);
		remote_forget(&t);
		child_do(&t.child, CHILD_WRITE, unit, 2 * unit, 3);
		assert_int_equal(remote_collect(&t), 2 * unit);
		remote_forget(&t);
	}
	remote_end(&t);
}

/* It was reported while it had data, which then went. */
static void what_was_unmapped_and_then_discarded_is_reported(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;
	uint64_t unit;

	begin(&t, how);
	unit = t.child.unit_pages;
	child_do(&t.child, CHILD_DONTNEED, unit, unit, 0);
	(void)remote_collect(&t);
	remote_forget(&t);
	child_do(&t.child, CHILD_PUNCH, unit, unit, 0);
	assert_int_equal(remote_collect(&t), unit);
	assert_true(remote_is_marked(&t, unit));
	remote_end(&t);
}

static void what_is_discarded_and_written_again_is_reported(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;
	uint64_t unit;

	begin(&t, how);
	unit = t.child.unit_pages;
	for (unsigned round = 0; round < 3; round++) {
		discard(&t, 3 * unit, unit);
		if (round == 1)
			assert_true(remote_collect(&t) >= unit);
		child_do(&t.child, CHILD_WRITE, 3 * unit, 1, 20 + round);
		assert_true(remote_collect(&t) >= (round == 1 ? 0 : 1));
		assert_true(remote_is_marked(&t, 3 * unit));
		remote_send(&t);
		assert_int_equal(t.copy[3 * unit], 20 + round);
	}
	remote_settle(&t, 1);
	remote_end(&t);
}

/* It is absent when tracking begins, written, sent at once, and discarded before
 * any collect has seen it. */
static void what_came_and_went_between_two_looks_is_reported(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;
	const uint64_t page = PAGES / 2 + 512;

	begin(&t, how);
	child_do(&t.child, CHILD_WRITE, page, 1, 9);
	remote_send_pages(&t, page, t.child.unit_pages);
	assert_int_equal(t.copy[page], 9);
	discard(&t, page, t.child.unit_pages);
	assert_true(remote_collect(&t) >= 1);
	assert_true(remote_is_marked(&t, page));
	remote_send(&t);
	assert_int_equal(t.copy[page], 0);
	remote_end(&t);
}

/* Nothing is protected in the last one, and the guest may run on. */
static void the_last_collect_is_repeated(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;
	uint64_t unit;

	begin(&t, how);
	unit = t.child.unit_pages;
	assert_int_equal(remote_collect_as(&t, true), 0);
	child_do(&t.child, CHILD_WRITE, unit, 1, 7);
	discard(&t, 2 * unit, unit);
	for (unsigned again = 0; again < 3; again++) {
		assert_int_equal(remote_collect_as(&t, again < 2), 2 * unit);
		assert_true(remote_is_marked(&t, unit));
		assert_true(remote_is_marked(&t, 2 * unit));
		remote_forget(&t);
	}
	/* Sent, or hugetlb's pages, which may have data, are told until then. */
	remote_send_pages(&t, unit, 2 * unit);
	assert_int_equal(remote_collect_as(&t, true), 0);
	assert_int_equal(remote_collect(&t), 0);
	remote_end(&t);
}

/* Entries of shared memory may vanish at any time, the data stays. */
static void what_only_left_the_page_table_is_not_lost(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;

	begin(&t, how);
	child_do(&t.child, CHILD_WRITE, 100, 1, 7);
	child_do(&t.child, CHILD_DONTNEED, 0, PAGES, 0);
	assert_int_equal(remote_collect(&t), 1);
	assert_true(remote_is_marked(&t, 100));
	remote_send(&t);
	assert_int_equal(t.copy[100], 7);
	assert_int_equal(remote_collect(&t), 0);
	remote_check_copy(&t);
	remote_end(&t);
}

static void random_rounds(struct remote_tracker *t, unsigned rounds)
{
	/* A huge page that is discarded while it is read here takes another one
	 * out of the pool. */
	child_do(&t->child, CHILD_MISBEHAVE, 0,
		 t->child.unit_pages > 1 ? PAGES / 2 : PAGES, 1);
	for (unsigned i = 0; i < rounds; i++) {
		(void)remote_collect_as(t, i % 16 == 15);
		remote_send(t);
	}
	child_do(&t->child, CHILD_STOP, 0, 0, 0);
	(void)remote_collect_as(t, true);
	remote_send(t);
	remote_check_copy(t);
}

static void loses_nothing_in_random_rounds(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;

	begin(&t, how);
	random_rounds(&t, 200);
	remote_end(&t);
}

static void starts_again_after_a_stop(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;

	begin(&t, how);
	rj_dirty_set_stop(&t.set);
	child_do(&t.child, CHILD_WRITE, 5, 1, 5);
	discard(&t, t.child.unit_pages, t.child.unit_pages);
	remote_begin(&t);
	/* Of what was before nothing is known. */
	assert_int_equal(remote_collect(&t), 0);
	child_do(&t.child, CHILD_WRITE, 2 * t.child.unit_pages, 1, 6);
	assert_int_equal(remote_collect(&t), t.child.unit_pages);
	assert_true(remote_is_marked(&t, 2 * t.child.unit_pages));
	remote_end(&t);
}

/* What a fork shares with its parent is protected, too: against either. */
static void a_fork_changes_nothing(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;

	begin(&t, how);
	child_do(&t.child, CHILD_FORK, 0, 0, 0);
	assert_int_equal(remote_collect(&t), 0);
	child_do(&t.child, CHILD_WRITE, 5, 1, 5);
	assert_int_equal(remote_collect(&t), 1);
	assert_true(remote_is_marked(&t, 5));
	remote_end(&t);
}

/* ---- several ranges, several processes --------------------------------- */

static void ranges_may_begin_anywhere(void **state)
{
	struct how *how = *state;
	struct ramjet_remote_range ranges[] = {
		{ RAMJET_REMOTE_RANGE_INIT, .block = "ram0" },
		{ RAMJET_REMOTE_RANGE_INIT, .block = "ram0" },
	};
	struct remote_tracker t;

	memset(&t, 0, sizeof(t));
	if (!child_start(&t.child, how->kind, BYTES, -1))
		skip();
	/* [100, 701) and [1000, end), of which 1000 to 1005 the other way. */
	ranges[0].address = t.child.address + 100 * RAMJET_PAGE_BYTES;
	ranges[0].offset = 100 * RAMJET_PAGE_BYTES;
	ranges[0].bytes = 601 * RAMJET_PAGE_BYTES;
	ranges[1].address = t.child.address + 1000 * RAMJET_PAGE_BYTES;
	ranges[1].offset = 1000 * RAMJET_PAGE_BYTES;
	remote_make_of(&t, how->mode, ranges, 2);
	child_do(&t.child, CHILD_WRITE, 0, PAGES, 1);
	remote_begin(&t);
	remote_send_pages(&t, 0, PAGES);
	child_do(&t.child, CHILD_WRITE, 0, PAGES, 2);
	assert_int_equal(remote_collect(&t), 601 + PAGES - 1000);
	assert_false(remote_is_marked(&t, 99));
	assert_true(remote_is_marked(&t, 100));
	assert_true(remote_is_marked(&t, 700));
	assert_false(remote_is_marked(&t, 701));
	assert_true(remote_is_marked(&t, 1000));
	remote_send(&t);
	discard(&t, 0, PAGES);
	assert_int_equal(remote_collect(&t), 601 + PAGES - 1000);
	assert_true(remote_is_marked(&t, 700));
	assert_false(remote_is_marked(&t, 701));
	assert_false(remote_is_marked(&t, 999));
	assert_true(remote_is_marked(&t, PAGES - 1));
	remote_end(&t);
}

/* Its page tables are its own: attached to one process, the other's writes are
 * not seen; attached to both, all are. */
static void a_second_process_needs_a_source_of_its_own(void **state)
{
	struct how *how = *state;
	struct remote_tracker t, other;
	struct ramjet_remote_range all = { RAMJET_REMOTE_RANGE_INIT,
					   .block = "ram0" };

	begin(&t, how);
	memset(&other, 0, sizeof(other));
	if (!child_start(&other.child, how->kind, BYTES, t.child.region.fd))
		skip();
	child_do(&other.child, CHILD_WRITE, 3, 1, 3);
	assert_int_equal(remote_collect(&t), 0);
	all.address = other.child.address;
	remote_make_of(&other, how->mode, &all, 1);
	remote_begin(&other);
	child_do(&other.child, CHILD_WRITE, 4, 1, 4);
	child_do(&t.child, CHILD_WRITE, 5, 1, 5);
	assert_int_equal(remote_collect(&t), 1);
	assert_true(remote_is_marked(&t, 5));
	assert_int_equal(remote_collect(&other), 1);
	assert_true(remote_is_marked(&other, 4));
	remote_end(&other);
	remote_end(&t);
}

struct threads_job {
	struct remote_tracker *t;
	uint32_t flags;
};

static int collect_chunk(void *user, unsigned member, uint64_t chunk,
			 struct ramjet_error *err)
{
	const struct threads_job *job = user;
	struct remote_tracker *t = job->t;
	struct rj_bitmap *bitmaps[] = { &t->map };
	struct ramjet_dirty_sink sink = { .bitmaps = bitmaps,
					  .regions = &t->child.region,
					  .count = 1 };
	struct ramjet_dirty_part part = { .size = sizeof(part),
					  .first_page = chunk * RJ_CHUNK_PAGES,
					  .page_count = RJ_CHUNK_PAGES };

	(void)member;
	part.flags = job->flags;
	return t->source->ops.collect_part(t->source->user, &part, &sink, err);
}

static void threads_collect_parts_at_once(void **state)
{
	struct how *how = *state;
	struct remote_tracker t;
	struct threads_job job = { .t = &t };
	struct rj_crew crew;

	begin(&t, how);
	assert_int_equal(rj_crew_start(&crew, "rj/scan", 4, NULL), 0);
	child_do(&t.child, CHILD_MISBEHAVE, 0, PAGES, 3);
	for (unsigned i = 0; i < 100; i++) {
		job.flags = i % 8 == 7 ? RAMJET_DIRTY_LAST : 0;
		assert_int_equal(rj_crew_run(&crew, PAGES / RJ_CHUNK_PAGES,
					     collect_chunk, &job, NULL),
				 0);
		remote_send(&t);
	}
	child_do(&t.child, CHILD_STOP, 0, 0, 0);
	(void)remote_collect_as(&t, true);
	remote_send(&t);
	remote_check_copy(&t);
	rj_crew_stop(&crew);
	remote_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		of_kinds(reports_exactly_what_was_written),
		of_kinds(sees_writes_of_the_kernel),
		of_kinds(what_is_discarded_is_reported_once),
		of_kinds(what_is_discarded_and_left_alone_is_reported_once),
		of_kind(what_was_unmapped_and_then_discarded_is_reported,
			MEMORY_MEMFD),
		of_kind(what_was_unmapped_and_then_discarded_is_reported,
			MEMORY_HUGETLB_MEMFD),
		of_kinds(what_is_discarded_and_written_again_is_reported),
		of_some(what_came_and_went_between_two_looks_is_reported),
		of_kinds(the_last_collect_is_repeated),
		of_kind(what_only_left_the_page_table_is_not_lost,
			MEMORY_MEMFD),
		of_kinds(loses_nothing_in_random_rounds),
		of_kinds(starts_again_after_a_stop),
		of_kind(a_fork_changes_nothing, MEMORY_ANON),
		of_some(ranges_may_begin_anywhere),
		of_kind(a_second_process_needs_a_source_of_its_own,
			MEMORY_MEMFD),
		of_some(threads_collect_parts_at_once),
	};

	hows_init();
	return cmocka_run_group_tests_name("remote", tests, NULL, NULL);
}
