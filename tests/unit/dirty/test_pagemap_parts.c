/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory armed and collected by parts, by several threads, and looked at for the
 * last time. */
#include "tests/unit/cmocka_all.h"

#include <sys/mman.h>

#include "dirty/rehearsal.h"
#include "tests/unit/dirty/pagemap_tracker.h"

/* With the guest stopped nothing is protected: should it run on, the same is
 * reported once more. */
static void the_last_collect_is_repeated(void **state)
{
	static const struct rj_dirty_walk last = { .last = true };
	enum memory_kind kind = *(const enum memory_kind *)*state;
	const bool thp = kind == MEMORY_THP || kind == MEMORY_MEMFD_THP;
	struct tracker t;

	tracker_make(&t, kind, BYTES);
	for (uint64_t page = 0; page < (thp ? PAGES : PAGES / 2); page++)
		tracker_poke(&t, page);
	tracker_begin(&t);
	assert_int_equal(tracker_collect_as(&t, &last), 0);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < RJ_ARRAY_SIZE(tracker_written); i++)
			tracker_poke(&t, tracker_written[i]);
		for (unsigned again = 0; again < 3; again++) {
			assert_true(again < 2 ? tracker_collect_as(&t, &last)
					      : tracker_collect(&t));
			tracker_check_written(&t, t.memory.unit_pages);
			tracker_forget(&t);
		}
		assert_int_equal(tracker_collect_as(&t, &last), 0);
		assert_int_equal(tracker_collect(&t), 0);
	}
	tracker_end(&t);
}

/* Shared pages leave the page table when the kernel likes, the last time too. */
static void what_has_vanished_is_in_the_last_collect(void **state)
{
	static const struct rj_dirty_walk last = { .last = true };
	struct tracker t;

	(void)state;
	tracker_make(&t, MEMORY_MEMFD, BYTES);
	for (uint64_t page = 0; page < PAGES / 2; page++)
		tracker_poke(&t, page);
	tracker_begin(&t);
	tracker_poke(&t, 100);
	tracker_poke(&t, 3000);
	assert_int_equal(madvise(t.memory.region.host, BYTES, MADV_DONTNEED),
			 0);
	for (unsigned again = 0; again < 2; again++) {
		assert_true(tracker_collect_as(&t, &last) >= 2);
		assert_true(rj_bitmap_test(&t.map, 100));
		assert_true(rj_bitmap_test(&t.map, 3000));
		assert_false(rj_bitmap_test(&t.map, 3001));
		tracker_forget(&t);
	}
	tracker_end(&t);
}

static void tracking_begins_part_by_part(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	struct tracker t;

	tracker_make(&t, kind, BYTES);
	for (uint64_t page = 0; page < PAGES; page++)
		tracker_poke(&t, page);
	tracker_start(&t);
	assert_true(rj_dirty_set_needs_arm(&t.set));
	for (uint64_t chunk = 0; chunk < PAGES / RJ_CHUNK_PAGES; chunk++) {
		const uint64_t first = chunk * RJ_CHUNK_PAGES;

		/* Neither tracked nor asked for; and once it is armed, whoever
		 * reads it now finds this. */
		tracker_poke(&t, first + 3);
		assert_int_equal(tracker_collect_chunks(&t, chunk), 0);
		assert_int_equal(rj_dirty_set_arm(&t.set, 0, first,
						  RJ_CHUNK_PAGES, &t.err),
				 0);
		assert_int_equal(tracker_collect_chunks(&t, chunk + 1), 0);
		tracker_poke(&t, first + 7);
		assert_int_equal(tracker_collect_chunks(&t, chunk + 1),
				 t.memory.unit_pages);
		assert_true(rj_bitmap_test(&t.map, first + 7));
		tracker_forget(&t);
	}
	tracker_end(&t);
}

/* Pieces of 256 MiB are collected; windows are smaller, so that several threads
 * work on the same page table. */
#define LARGE_BYTES   (UINT64_C(1) << 30)
#define LARGE_STRIDE  96u
#define WINDOW_CHUNKS 3u

static int arm_and_copy(void *user, unsigned member, uint64_t piece,
			struct ramjet_error *err)
{
	struct writer *w = user;
	const uint64_t pages = w->t->memory.region.page_count;
	const uint64_t window = WINDOW_CHUNKS * RJ_CHUNK_PAGES;
	const uint64_t first = piece * window;
	const uint64_t count = pages - first < window ? pages - first : window;
	int rc = rj_dirty_set_arm(&w->t->set, 0, first, count, err);

	(void)member;
	for (uint64_t i = (first + w->stride - 1) / w->stride;
	     i < w->pages && i * w->stride < first + count; i++)
		writer_copy_word(w, i);
	return rc;
}

static void threads_lose_nothing_while_one_writes(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	const uint64_t pages = LARGE_BYTES / RAMJET_PAGE_BYTES;
	struct rj_crew crew;
	struct rj_dirty_walk walk = { .crew = &crew };
	struct tracker t;
	struct writer w = { .t = &t,
			    .pages = pages / LARGE_STRIDE,
			    .stride = LARGE_STRIDE };

	tracker_make(&t, kind, LARGE_BYTES);
	tracker_start(&t);
	assert_int_equal(rj_crew_start(&crew, "rj/scan", 4, NULL), 0);
	writer_begin(&w);
	assert_int_equal(rj_crew_run(&crew,
				     (pages / RJ_CHUNK_PAGES + WINDOW_CHUNKS -
				      1) / WINDOW_CHUNKS,
				     arm_and_copy, &w, NULL),
			 0);
	for (unsigned round = 0; round < 40; round++) {
		/* Whether it was the last is known only afterwards. */
		walk.last = round % 4 == 3;
		(void)tracker_collect_as(&t, &walk);
		writer_copy_marked(&w);
	}
	walk.last = true;
	writer_end(&w, &walk);
	rj_crew_stop(&crew);
	tracker_end(&t);
}

/* A rehearsal of the last collect is asked of those it is news of, and neither
 * marks nor protects. */
static void a_rehearsal_changes_nothing(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	struct rj_crew crew;
	struct tracker t;
	uint64_t ns = 0;

	tracker_make(&t, kind, BYTES);
	for (uint64_t page = 0; page < PAGES; page++)
		tracker_poke(&t, page);
	tracker_begin(&t);
	assert_true(rj_rehearsal_is_useful(&t.set));
	assert_int_equal(rj_crew_start(&crew, "rj/scan", 2, NULL), 0);
	tracker_poke(&t, 7);
	tracker_poke(&t, 600);
	assert_int_equal(rj_rehearse_last(&t.set, &crew, &ns, &t.err), 0);
	assert_true(ns > 0);
	assert_int_equal(rj_bitmap_count(&t.map), 0);
	assert_int_equal(tracker_collect(&t), 2 * t.memory.unit_pages);
	assert_int_equal(tracker_collect(&t), 0);
	/* All of the collect was pagemap's. */
	assert_int_equal(t.set.alike_ns, 0);
	rj_crew_stop(&crew);
	tracker_end(&t);
}

int main(void)
{
	static enum memory_kind kinds[MEMORY_KINDS_];
#define of_kind(test, kind)                                     \
	{                                                       \
#test "/" #kind, test, NULL, NULL, &kinds[kind] \
	}
	const struct CMUnitTest tests[] = {
		of_kind(the_last_collect_is_repeated, MEMORY_ANON),
		of_kind(the_last_collect_is_repeated, MEMORY_THP),
		of_kind(the_last_collect_is_repeated, MEMORY_MEMFD),
		of_kind(the_last_collect_is_repeated, MEMORY_MEMFD_THP),
		of_kind(the_last_collect_is_repeated, MEMORY_HUGETLB_ANON),
		of_kind(the_last_collect_is_repeated, MEMORY_HUGETLB_MEMFD),
		cmocka_unit_test(what_has_vanished_is_in_the_last_collect),
		of_kind(tracking_begins_part_by_part, MEMORY_ANON),
		of_kind(tracking_begins_part_by_part, MEMORY_THP),
		of_kind(tracking_begins_part_by_part, MEMORY_MEMFD),
		of_kind(tracking_begins_part_by_part, MEMORY_MEMFD_THP),
		of_kind(tracking_begins_part_by_part, MEMORY_HUGETLB_ANON),
		of_kind(tracking_begins_part_by_part, MEMORY_HUGETLB_MEMFD),
		of_kind(a_rehearsal_changes_nothing, MEMORY_ANON),
		of_kind(a_rehearsal_changes_nothing, MEMORY_MEMFD),
		of_kind(threads_lose_nothing_while_one_writes, MEMORY_ANON),
		of_kind(threads_lose_nothing_while_one_writes, MEMORY_MEMFD),
	};

	for (unsigned i = 0; i < MEMORY_KINDS_; i++)
		kinds[i] = (enum memory_kind)i;
	return cmocka_run_group_tests_name("pagemap_parts", tests, NULL, NULL);
}
