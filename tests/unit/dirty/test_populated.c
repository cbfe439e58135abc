/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dirty/extent.h"
#include "dirty/lazy.h"
#include "dirty/populated.h"
#include "dirty/source.h"
#include "dirty/uffd.h"
#include "tests/unit/dirty/memory_kinds.h"

#define BYTES (UINT64_C(16) << 20)
#define PAGES (BYTES / RAMJET_PAGE_BYTES)

static const uint64_t touched[] = { 0, 1, 511, 513, 2048, 3000, PAGES - 1 };

struct result {
	struct rj_bitmap map;
	enum rj_populated_method method;
	const char *reason;
};

static void scan(const struct ramjet_dirty_region *region, struct result *r)
{
	memset(r, 0, sizeof(*r));
	assert_int_equal(rj_bitmap_init(&r->map, region->page_count, NULL), 0);
	assert_int_equal(rj_populated_scan(region, &r->map, &r->method,
					   &r->reason, NULL),
			 0);
}

static void touch(uint8_t *host)
{
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(touched); i++)
		host[touched[i] * RAMJET_PAGE_BYTES] = 1;
}

static void check_touched(const struct rj_bitmap *map, uint64_t unit)
{
	for (uint64_t page = 0; page < PAGES; page++) {
		bool expected = false;

		for (unsigned i = 0; i < RJ_ARRAY_SIZE(touched); i++)
			expected |= touched[i] / unit == page / unit;
		assert_int_equal(rj_bitmap_test(map, page), expected);
	}
}

static void private_memory_is_asked_of_the_page_table(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	struct memory m;
	struct result r;

	if (!memory_make(kind, BYTES, &m))
		skip();
	scan(&m.region, &r);
	if (r.method == RJ_POPULATED_ALL) {
		printf("# skipped: %s\n", r.reason);
		skip();
	}
	assert_int_equal(r.method, RJ_POPULATED_PAGEMAP_SCAN);
	assert_int_equal(rj_bitmap_count(&r.map), 0);
	rj_bitmap_done(&r.map);

	touch(m.region.host);
	scan(&m.region, &r);
	check_touched(&r.map, m.unit_pages);
	rj_bitmap_done(&r.map);
	memory_free(&m);
}

/* A page that was only read maps the zero page. */
static void pages_only_read_hold_nothing(void **state)
{
	struct memory m;
	struct result r;

	(void)state;
	assert_true(memory_make(MEMORY_ANON, BYTES, &m));
	assert_int_equal(*(volatile uint8_t *)(m.region.host + 8192), 0);
	touch(m.region.host);
	scan(&m.region, &r);
	if (r.method == RJ_POPULATED_PAGEMAP_SCAN)
		check_touched(&r.map, 1);
	rj_bitmap_done(&r.map);
	memory_free(&m);
}

static void swapped_pages_count(void **state)
{
	struct memory m;
	struct result r;

	(void)state;
	assert_true(memory_make(MEMORY_ANON, BYTES, &m));
	touch(m.region.host);
	/* Without swap space the pages just stay: then this shows nothing. */
	(void)madvise(m.region.host, BYTES, MADV_PAGEOUT);
	scan(&m.region, &r);
	if (r.method == RJ_POPULATED_PAGEMAP_SCAN)
		check_touched(&r.map, 1);
	rj_bitmap_done(&r.map);
	memory_free(&m);
}

static void a_memfd_is_asked_for_data_whoever_put_it_there(void **state)
{
	uint8_t *other;
	struct memory m;
	struct result r;

	(void)state;
	assert_true(memory_make(MEMORY_MEMFD, BYTES, &m));
	other = memory_map_again(&m);
	touch(other);
	scan(&m.region, &r);
	assert_int_equal(r.method, RJ_POPULATED_SEEK_DATA);
	check_touched(&r.map, 1);
	(void)munmap(other, BYTES);
	rj_bitmap_done(&r.map);
	memory_free(&m);
}

/* Tracking leaves marks on absent pages; they must not look populated. */
static void tracking_changes_nothing(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	struct ramjet_dirty_source *source = NULL;
	struct rj_dirty_set set = { 0 };
	struct rj_bitmap *bitmaps[1];
	uint64_t marked;
	struct memory m;
	struct result r;

	assert_true(memory_make(kind, BYTES, &m));
	touch(m.region.host);
	assert_int_equal(ramjet_dirty_pagemap_new(&source, NULL), 0);
	if (rj_dirty_set_start(&set, &source, 1, &m.region, 1, NULL))
		skip();
	assert_int_equal(
		rj_dirty_set_arm(&set, 0, 0, m.region.page_count, NULL), 0);
	scan(&m.region, &r);
	check_touched(&r.map, 1);
	bitmaps[0] = &r.map;
	assert_int_equal(
		rj_dirty_set_collect(&set, NULL, bitmaps, &marked, NULL), 0);
	assert_int_equal(marked, 0);
	rj_bitmap_done(&r.map);
	scan(&m.region, &r);
	check_touched(&r.map, 1);
	rj_dirty_set_stop(&set);
	ramjet_dirty_free(source);
	rj_bitmap_done(&r.map);
	memory_free(&m);
}

static void check_all(const struct ramjet_dirty_region *region,
		      const char *reason)
{
	struct result r;

	scan(region, &r);
	assert_int_equal(r.method, RJ_POPULATED_ALL);
	assert_string_equal(r.reason, reason);
	assert_int_equal(rj_bitmap_count(&r.map), region->page_count);
	rj_bitmap_done(&r.map);
}

static uint64_t allocated_bytes(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* Somebody fills what is missing: absent does not mean zero. */
/* Blocks that are looked at together are told apart. */
static void what_is_filled_lazily_is_told(void **state)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	enum memory_kind kind = *(const enum memory_kind *)*state;
	const int uffd = rj_uffd_open(NULL);
	struct ramjet_dirty_region regions[3];
	const char *reasons[3];
	struct memory m;

	if (uffd < 0) {
		printf("# skipped: no userfaultfd\n");
		skip();
	}
	assert_true(memory_make(kind, BYTES, &m));
	assert_int_equal(ioctl(uffd, UFFDIO_API, &api), 0);
	/* A page in the middle is enough, and other blocks are not meant. */
	reg.range.start = (uintptr_t)m.region.host + BYTES / 2;
	reg.range.len = RAMJET_PAGE_BYTES;
	assert_int_equal(ioctl(uffd, UFFDIO_REGISTER, &reg), 0);
	regions[0] = regions[1] = regions[2] = m.region;
	regions[0].page_count /= 2;
	regions[2].host += BYTES / 2 + RAMJET_PAGE_BYTES;
	regions[2].page_count = PAGES / 2 - 1;
	rj_lazy_look(regions, 3, reasons);
	assert_null(reasons[0]);
	assert_non_null(reasons[1]);
	assert_non_null(strstr(reasons[1], "missing pages are filled"));
	assert_null(reasons[2]);
	/* Over as soon as he is gone. */
	(void)close(uffd);
	rj_lazy_look(regions, 3, reasons);
	assert_null(reasons[1]);
	memory_free(&m);
}

static void what_is_not_mapped_is_not_known(void **state)
{
	const struct ramjet_dirty_region nowhere = {
		.name = "none",
		.host = (uint8_t *)(uintptr_t)RAMJET_PAGE_BYTES,
		.page_count = 1,
	};
	const char *reason = NULL;

	(void)state;
	rj_lazy_look(&nowhere, 1, &reason);
	assert_non_null(reason);
	assert_non_null(strstr(reason, "does not tell"));
}

static void a_hugetlb_memfd_is_asked_whoever_put_it_there(void **state)
{
	struct ramjet_dirty_region half;
	uint8_t *other;
	struct memory m;
	struct result r;

	(void)state;
	if (!memory_make(MEMORY_HUGETLB_MEMFD, BYTES, &m))
		skip();
	scan(&m.region, &r);
	if (r.method == RJ_POPULATED_ALL) {
		printf("# skipped: %s\n", r.reason);
		skip();
	}
	assert_int_equal(r.method, RJ_POPULATED_UFFD_CONTINUE);
	assert_int_equal(rj_bitmap_count(&r.map), 0);
	rj_bitmap_done(&r.map);

	other = memory_map_again(&m);
	touch(other);
	m.region.host[6 * 512 * RAMJET_PAGE_BYTES] = 1;
	scan(&m.region, &r);
	for (uint64_t page = 0; page < PAGES; page++) {
		const uint64_t huge = page / 512;

		/* 6 through our own mapping, the rest through the other. */
		assert_int_equal(rj_bitmap_test(&r.map, page),
				 huge <= 1 || huge >= 4);
	}
	rj_bitmap_done(&r.map);
	/* Asking has put none there. */
	assert_int_equal(allocated_bytes(m.region.fd), 6u << 21);

	half = m.region;
	half.host += BYTES / 2;
	half.fd_offset = BYTES / 2;
	half.page_count = PAGES / 2;
	scan(&half, &r);
	assert_int_equal(rj_bitmap_count(&r.map), PAGES / 2);
	rj_bitmap_done(&r.map);
	(void)munmap(other, BYTES);
	memory_free(&m);
}

/* Who may not write the file is told that all of it is in memory. */
static void holes_are_found_by_who_may_only_read(void **state)
{
	const uid_t me = geteuid();
	uint64_t first = 0, end = 0;
	struct memory m;
	int rc;

	(void)state;
	if (me) {
		printf("# skipped: only root may become somebody else\n");
		skip();
	}
	assert_true(memory_make(MEMORY_MEMFD, BYTES, &m));
	m.region.host[5 * RAMJET_PAGE_BYTES] = 1;
	assert_int_equal(fchown(m.region.fd, 1, 1), 0);
	assert_int_equal(fchmod(m.region.fd, 0444), 0);
	assert_int_equal(seteuid(65534), 0);
	rc = rj_extent_next(&m.region, 0, PAGES, &first, &end, NULL);
	assert_int_equal(seteuid(me), 0);
	assert_int_equal(rc, 1);
	assert_int_equal(first, 5);
	assert_int_equal(end, 6);
	memory_free(&m);
}

/* Parts that begin and end within chunks, and within huge pages. */
#define PART_PAGES 700u

static uint64_t first_in(const struct rj_bitmap *map, uint64_t from)
{
	while (from < PAGES && !rj_bitmap_test(map, from))
		from++;
	return from;
}

static void parts_say_what_the_whole_does(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	struct rj_scan_pool scans = { .opened = false };
	const char *reason = NULL;
	struct rj_populated look;
	struct rj_bitmap map;
	struct memory m;
	struct result r;

	if (!memory_make(kind, BYTES, &m))
		skip();
	touch(m.region.host);
	scan(&m.region, &r);
	assert_int_equal(rj_bitmap_init(&map, PAGES, NULL), 0);
	assert_int_equal(
		rj_populated_open(&look, &m.region, &scans, &reason, NULL), 0);
	assert_int_equal(look.method, r.method);
	assert_string_equal(reason, r.reason);
	for (uint64_t at = 0; at < PAGES; at += PART_PAGES) {
		const uint64_t left = PAGES - at;
		const uint64_t count = left < PART_PAGES ? left : PART_PAGES;

		assert_int_equal(rj_populated_first(&look, at, left),
				 first_in(&r.map, at));
		assert_int_equal(rj_populated_look(&look, at, count, &map,
						   &reason, NULL),
				 0);
		assert_string_equal(reason, "");
		/* No further than it was asked. */
		assert_int_equal(first_in(&map, at + count), PAGES);
	}
	for (uint64_t page = 0; page < PAGES; page++)
		assert_int_equal(rj_bitmap_test(&map, page),
				 rj_bitmap_test(&r.map, page));
	rj_populated_close(&look);
	rj_scan_pool_close(&scans);
	rj_bitmap_done(&map);
	rj_bitmap_done(&r.map);
	memory_free(&m);
}

static void nothing_is_found_in_nothing(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	struct rj_scan_pool scans = { .opened = false };
	const char *reason = NULL;
	struct rj_populated look;
	struct memory m;

	if (!memory_make(kind, BYTES, &m))
		skip();
	assert_int_equal(
		rj_populated_open(&look, &m.region, &scans, &reason, NULL), 0);
	if (look.method != RJ_POPULATED_ALL)
		assert_int_equal(rj_populated_first(&look, 5, PAGES - 5),
				 PAGES);
	rj_populated_close(&look);
	rj_scan_pool_close(&scans);
	memory_free(&m);
}

/* The file is gone from below it: then all counts, from there on. */
static void what_can_not_be_asked_any_more_counts(void **state)
{
	struct rj_scan_pool scans = { .opened = false };
	const char *reason = NULL;
	struct rj_populated look;
	struct rj_bitmap map;
	struct memory m;
	int fd;

	(void)state;
	assert_true(memory_make(MEMORY_MEMFD, BYTES, &m));
	assert_int_equal(rj_bitmap_init(&map, PAGES, NULL), 0);
	assert_int_equal(
		rj_populated_open(&look, &m.region, &scans, &reason, NULL), 0);
	fd = m.region.fd;
	m.region.fd = -1;
	assert_int_equal(rj_populated_first(&look, 7, 9), 7);
	assert_int_equal(rj_populated_look(&look, 7, 9, &map, &reason, NULL),
			 0);
	assert_non_null(strstr(reason, "SEEK_DATA"));
	assert_int_equal(rj_bitmap_count(&map), 9);
	m.region.fd = fd;
	assert_int_equal(rj_populated_look(&look, 100, 1, &map, &reason, NULL),
			 0);
	assert_true(rj_bitmap_test(&map, 100));
	rj_populated_close(&look);
	rj_scan_pool_close(&scans);
	rj_bitmap_done(&map);
	memory_free(&m);
}

static void a_private_mapping_of_a_file_counts_as_a_whole(void **state)
{
	struct memory m;
	void *mine;

	(void)state;
	assert_true(memory_make(MEMORY_MEMFD, BYTES, &m));
	mine = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		    m.region.fd, 0);
	assert_true(mine != MAP_FAILED);
	m.region.host = mine;
	check_all(&m.region, "a private mapping of a file shows the file");
	m.region.fd = -1;
	check_all(&m.region, "a private mapping of a file shows the file");
	(void)munmap(mine, BYTES);
	memory_free(&m);
}

static void a_wrong_fd_or_offset_counts_as_a_whole(void **state)
{
	static const char *const reason =
		"the memory is not all a shared mapping of the block's file "
		"descriptor";
	struct memory a;
	struct memory b;
	struct ramjet_dirty_region region;

	(void)state;
	assert_true(memory_make(MEMORY_MEMFD, BYTES, &a));
	assert_true(memory_make(MEMORY_MEMFD, BYTES, &b));
	region = a.region;
	region.fd = b.region.fd;
	check_all(&region, reason);
	region = a.region;
	region.fd_offset = RAMJET_PAGE_BYTES;
	region.page_count--;
	check_all(&region, reason);
	region = a.region;
	region.fd = -1;
	check_all(&region, "shared memory without a file descriptor");
	memory_free(&a);
	memory_free(&b);
}

/* The second half of a block may lie elsewhere in the file. */
static void an_offset_into_the_file_is_honoured(void **state)
{
	struct ramjet_dirty_region region;
	struct memory m;
	struct result r;

	(void)state;
	assert_true(memory_make(MEMORY_MEMFD, BYTES, &m));
	touch(m.region.host);
	region = m.region;
	region.host += 2048 * RAMJET_PAGE_BYTES;
	region.fd_offset = 2048 * RAMJET_PAGE_BYTES;
	region.page_count = 1000;
	scan(&region, &r);
	assert_int_equal(r.method, RJ_POPULATED_SEEK_DATA);
	assert_int_equal(rj_bitmap_count(&r.map), 2);
	assert_true(rj_bitmap_test(&r.map, 0));
	assert_true(rj_bitmap_test(&r.map, 3000 - 2048));
	rj_bitmap_done(&r.map);
	memory_free(&m);
}

static void an_ordinary_file_is_asked_as_well(void **state)
{
	char path[] = "/tmp/ramjet-populated-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	struct ramjet_dirty_region region = {
		.name = "file",
		.page_count = PAGES,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = fd,
	};
	struct result r;
	void *map;

	(void)state;
	assert_true(fd >= 0);
	(void)unlink(path);
	assert_int_equal(ftruncate(fd, (off_t)BYTES), 0);
	map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(map != MAP_FAILED);
	region.host = map;
	touch(map);
	scan(&region, &r);
	/* File systems may count more as data than was written, never less;
	 * one whose device numbers differ from the mapping's is not asked. */
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(touched); i++)
		assert_true(rj_bitmap_test(&r.map, touched[i]));
	printf("# %s %s, %llu of %llu pages\n",
	       rj_populated_method_name(r.method), r.reason,
	       (unsigned long long)rj_bitmap_count(&r.map),
	       (unsigned long long)PAGES);
	rj_bitmap_done(&r.map);
	(void)munmap(map, BYTES);
	(void)close(fd);
}

int main(void)
{
	static enum memory_kind kinds[MEMORY_KINDS_];
#define of_kind(test, kind)                                     \
	{                                                       \
#test "/" #kind, test, NULL, NULL, &kinds[kind] \
	}
	const struct CMUnitTest tests[] = {
		of_kind(private_memory_is_asked_of_the_page_table, MEMORY_ANON),
		of_kind(private_memory_is_asked_of_the_page_table,
			MEMORY_HUGETLB_ANON),
		cmocka_unit_test(pages_only_read_hold_nothing),
		cmocka_unit_test(swapped_pages_count),
		cmocka_unit_test(
			a_memfd_is_asked_for_data_whoever_put_it_there),
		of_kind(tracking_changes_nothing, MEMORY_ANON),
		of_kind(tracking_changes_nothing, MEMORY_MEMFD),
		cmocka_unit_test(a_hugetlb_memfd_is_asked_whoever_put_it_there),
		cmocka_unit_test(holes_are_found_by_who_may_only_read),
		of_kind(parts_say_what_the_whole_does, MEMORY_ANON),
		of_kind(parts_say_what_the_whole_does, MEMORY_THP),
		of_kind(parts_say_what_the_whole_does, MEMORY_MEMFD),
		of_kind(parts_say_what_the_whole_does, MEMORY_MEMFD_THP),
		of_kind(parts_say_what_the_whole_does, MEMORY_HUGETLB_ANON),
		of_kind(parts_say_what_the_whole_does, MEMORY_HUGETLB_MEMFD),
		of_kind(nothing_is_found_in_nothing, MEMORY_ANON),
		of_kind(nothing_is_found_in_nothing, MEMORY_MEMFD),
		of_kind(nothing_is_found_in_nothing, MEMORY_HUGETLB_MEMFD),
		cmocka_unit_test(what_can_not_be_asked_any_more_counts),
		of_kind(what_is_filled_lazily_is_told, MEMORY_ANON),
		of_kind(what_is_filled_lazily_is_told, MEMORY_MEMFD),
		cmocka_unit_test(what_is_not_mapped_is_not_known),
		cmocka_unit_test(a_private_mapping_of_a_file_counts_as_a_whole),
		cmocka_unit_test(a_wrong_fd_or_offset_counts_as_a_whole),
		cmocka_unit_test(an_offset_into_the_file_is_honoured),
		cmocka_unit_test(an_ordinary_file_is_asked_as_well),
	};

	for (unsigned i = 0; i < MEMORY_KINDS_; i++)
		kinds[i] = (enum memory_kind)i;
	return cmocka_run_group_tests_name("populated", tests, NULL, NULL);
}
