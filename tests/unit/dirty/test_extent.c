/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a file has data, asked of a part of it. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dirty/extent.h"
#include "dirty/uapi.h"
#include "util/compiler.h"

#define PAGES 20000u

static struct ramjet_dirty_region region;
static bool has_data[PAGES];

static unsigned holes_sought, data_sought;

off_t __real_lseek64(int fd, off_t offset, int whence);
off_t __wrap_lseek64(int fd, off_t offset, int whence);

off_t __wrap_lseek64(int fd, off_t offset, int whence)
{
	holes_sought += whence == SEEK_HOLE;
	data_sought += whence == SEEK_DATA;
	return __real_lseek64(fd, offset, whence);
}

/* A page that is swapped out, from this question about the cache on; the page is
 * in memory all the same, but neither answer says so. 0: none. */
static uint64_t swapped;
static unsigned swapped_from, cache_asked;

int __real_mincore(void *host, size_t bytes, unsigned char *resident);
int __wrap_mincore(void *host, size_t bytes, unsigned char *resident);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

int __wrap_mincore(void *host, size_t bytes, unsigned char *resident)
{
	const int rc = __real_mincore(host, bytes, resident);
	const uint64_t first =
		(uint64_t)((uint8_t *)host - region.host) / RAMJET_PAGE_BYTES;

	if (swapped && swapped >= first &&
	    swapped - first < bytes / RAMJET_PAGE_BYTES)
		resident[swapped - first] = 0;
	return rc;
}

long __wrap_syscall(long number, ...)
{
	struct rj_cachestat *stat;
	long a[4], rc;
	va_list args;

	va_start(args, number);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(a); i++)
		a[i] = va_arg(args, long);
	va_end(args);
	rc = __real_syscall(number, a[0], a[1], a[2], a[3]);
	stat = (struct rj_cachestat *)a[2];
	if (number == RJ_NR_CACHESTAT && !rc && swapped &&
	    ++cache_asked >= swapped_from)
		stat->evicted++;
	return rc;
}

static void begin(int fd)
{
	void *host;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)PAGES * RAMJET_PAGE_BYTES), 0);
	host = mmap(NULL, (size_t)PAGES * RAMJET_PAGE_BYTES,
		    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(host != MAP_FAILED);
	region = (struct ramjet_dirty_region){
		.name = "ram0",
		.host = host,
		.page_count = PAGES,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = fd,
	};
	memset(has_data, 0, sizeof(has_data));
	holes_sought = data_sought = 0;
	swapped = 0;
}

static int setup(void **state)
{
	(void)state;
	begin(memfd_create("extent", MFD_CLOEXEC));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)munmap(region.host, (size_t)PAGES * RAMJET_PAGE_BYTES);
	(void)close(region.fd);
	return 0;
}

/* Every other one through the mapping, else through the file, as if another
 * process had. */
static void put(uint64_t first, uint64_t count)
{
	for (uint64_t page = first; page < first + count; page++) {
		const off_t at = (off_t)(page * RAMJET_PAGE_BYTES);

		if (page % 2)
			region.host[at] = 1;
		else
			assert_int_equal(pwrite(region.fd, "x", 1, at), 1);
		has_data[page] = true;
	}
}

static uint64_t next(uint64_t page, uint64_t end, bool data)
{
	while (page < end && has_data[page] != data)
		page++;
	return page;
}

static void expect(uint64_t from, uint64_t end)
{
	uint64_t at = from, first, wanted = from;
	struct ramjet_error err = { 0 };
	int rc;

	while ((rc = rj_extent_next(&region, at, end, &first, &at, &err)) > 0) {
		wanted = next(wanted, end, true);
		assert_int_equal(first, wanted);
		wanted = next(wanted, end, false);
		assert_int_equal(at, wanted);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(next(wanted, end, true), end);
	rc = rj_extent_first(&region, from, end, &first, NULL);
	wanted = next(from, end, true);
	assert_int_equal(rc, wanted < end);
	assert_int_equal(first, wanted);
}

static void expect_in_parts(void)
{
	static const uint64_t parts[] = { 1000, 4096, 7777, PAGES };

	for (size_t i = 0; i < RJ_ARRAY_SIZE(parts); i++)
		for (uint64_t at = 0; at < PAGES; at += parts[i])
			expect(at,
			       at + parts[i] < PAGES ? at + parts[i] : PAGES);
}

static void parts_end_where_they_end(void **state)
{
	(void)state;
	expect_in_parts();
	put(0, 1);
	put(15, 3);
	put(999, 2);
	put(4000, 5000);
	put(PAGES - 1, 1);
	expect_in_parts();
}

static void scattered_pages_are_told_apart(void **state)
{
	(void)state;
	for (uint64_t page = 3; page < PAGES; page += 1 + page % 40)
		put(page, 1);
	expect_in_parts();
}

/* Else each part of it would be a walk to its end. */
static void a_file_without_holes_is_not_searched_for_one(void **state)
{
	(void)state;
	put(0, PAGES);
	expect_in_parts();
	assert_int_equal(holes_sought, 0);
}

/* They are allocated, and in memory, but nobody has written them. */
static void reserved_pages_are_holes(void **state)
{
	(void)state;
	put(100, 20);
	if (fallocate(region.fd, 0, 0, (off_t)8000 * RAMJET_PAGE_BYTES))
		skip();
	expect_in_parts();
}

static void what_the_file_does_not_reach_is_a_hole(void **state)
{
	(void)state;
	put(0, 5000);
	assert_int_equal(ftruncate(region.fd, (off_t)4500 * RAMJET_PAGE_BYTES),
			 0);
	memset(has_data + 4500, 0, 500);
	expect_in_parts();
}

/* On other file systems they know where their extents end. */
static void of_other_files_holes_are_sought(void **state)
{
	char path[] = "/var/tmp/ramjet-extent-XXXXXX";

	(void)teardown(state);
	begin(mkostemp(path, O_CLOEXEC));
	(void)unlink(path);
	put(0, 40);
	put(4000, 96);
	expect(4000, 4096);
	if (!holes_sought)
		skip();
}

/* SEEK_DATA would walk reserved pages up to the file's end, for each part. */
static void reserved_pages_are_not_searched(void **state)
{
	uint64_t at, last = 0;
	int rc;

	(void)state;
	if (fallocate(region.fd, 0, 0, (off_t)PAGES * RAMJET_PAGE_BYTES))
		skip();
	if (syscall(451 /* cachestat */, -1, NULL, NULL, 0) &&
	    errno == ENOSYS) {
		print_message("# this kernel has no cachestat()\n");
		skip();
	}
	for (uint64_t from = 0; from + 1000 <= PAGES; from += 1000)
		assert_int_equal(
			rj_extent_first(&region, from, from + 1000, &at, NULL),
			0);
	assert_int_equal(data_sought, 0);
	put(PAGES - 1, 1);
	put(4321, 2);
	while ((rc = rj_extent_first(&region, last, PAGES, &at, NULL)) > 0) {
		assert_true(at == 4321 || at == 4322 || at == PAGES - 1);
		last = at + 1;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(last, PAGES);
	expect_in_parts();
}

/* It has data: whoever is asked first, and whenever it goes. */
static void what_is_swapped_out_is_no_hole(void **state)
{
	uint64_t first, end;

	(void)state;
	put(5000, 1);
	if (fallocate(region.fd, 0, 0, (off_t)PAGES * RAMJET_PAGE_BYTES))
		skip();
	swapped = 5000;
	for (swapped_from = 1; swapped_from < 3; swapped_from++) {
		cache_asked = 0;
		assert_int_equal(
			rj_extent_first(&region, 4096, 8192, &first, NULL), 1);
		assert_int_equal(first, 5000);
	}
	put(4990, 20);
	cache_asked = 0;
	assert_int_equal(
		rj_extent_next(&region, 4096, 8192, &first, &end, NULL), 1);
	assert_int_equal(first, 4990);
	assert_int_equal(end, 5010);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(parts_end_where_they_end),
		CASE(scattered_pages_are_told_apart),
		CASE(a_file_without_holes_is_not_searched_for_one),
		CASE(reserved_pages_are_holes),
		CASE(reserved_pages_are_not_searched),
		CASE(what_is_swapped_out_is_no_hole),
		CASE(what_the_file_does_not_reach_is_a_hole),
		CASE(of_other_files_holes_are_sought),
	};

	return cmocka_run_group_tests_name("extent", tests, NULL, NULL);
}
