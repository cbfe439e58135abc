/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/dirty/pagemap_tracker.h"

static void reports_exactly_what_was_written(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	uint64_t populated;
	struct tracker t;

	tracker_make(&t, kind, BYTES);
	/* The second half stays untouched, but where the first touch populates
	 * a huge page, all of which would count. */
	populated = kind == MEMORY_THP || kind == MEMORY_MEMFD_THP ? PAGES
								   : PAGES / 2;
	for (uint64_t page = 0; page < populated; page++)
		tracker_poke(&t, page);
	tracker_begin(&t);
	assert_int_equal(tracker_collect(&t), 0);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < RJ_ARRAY_SIZE(tracker_written); i++)
			tracker_poke(&t, tracker_written[i]);
		assert_true(tracker_collect(&t) > 0);
		tracker_check_written(&t, t.memory.unit_pages);
		tracker_forget(&t);
		assert_int_equal(tracker_collect(&t), 0);
	}
	/* Reading what is populated is no write. */
	for (uint64_t page = 0; page < PAGES / 2; page++)
		(void)tracker_peek(&t, page);
	assert_int_equal(tracker_collect(&t), 0);
	tracker_end(&t);
}

/* As io_uring, vhost or read() write guest memory. */
static void sees_writes_of_the_kernel(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	struct tracker t;
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	tracker_make(&t, kind, BYTES);
	tracker_poke(&t, 7);
	tracker_begin(&t);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(tracker_written); i++)
		assert_int_equal(
			read(fd,
			     t.memory.region.host +
				     tracker_written[i] * RAMJET_PAGE_BYTES,
			     100),
			100);
	assert_true(tracker_collect(&t) > 0);
	tracker_check_written(&t, t.memory.unit_pages);
	(void)close(fd);
	tracker_end(&t);
}

static void loses_nothing_while_a_thread_writes(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	struct tracker t;
	struct writer w = { .t = &t, .pages = PAGES, .stride = 1 };

	tracker_make(&t, kind, BYTES);
	tracker_begin(&t);
	writer_begin(&w);
	for (unsigned round = 0; round < 40; round++) {
		(void)tracker_collect(&t);
		writer_copy_marked(&w);
	}
	writer_end(&w, NULL);
	tracker_end(&t);
}

static void stops_and_starts_again(void **state)
{
	struct tracker t;

	(void)state;
	tracker_make(&t, MEMORY_ANON, BYTES);
	for (uint64_t page = 0; page < PAGES; page++)
		tracker_poke(&t, page);
	tracker_begin(&t);
	rj_dirty_set_stop(&t.set);
	tracker_poke(&t, 5);
	assert_int_equal(rj_dirty_set_start(&t.set, &t.source, 1,
					    &t.memory.region, 1, &t.err),
			 0);
	assert_int_equal(tracker_arm_all(&t), 0);
	tracker_poke(&t, 6);
	assert_int_equal(tracker_collect(&t), 1);
	assert_true(rj_bitmap_test(&t.map, 6));
	tracker_end(&t);
}

static void data_put_there_by_others_is_no_dirt(void **state)
{
	struct tracker t;
	uint8_t *other;

	(void)state;
	tracker_make(&t, MEMORY_MEMFD, BYTES);
	other = memory_map_again(&t.memory);
	assert_non_null(other);
	memset(other, 1, BYTES / 2);
	tracker_begin(&t);
	assert_int_equal(tracker_collect(&t), 0);
	/* What a migration does: read all that has data. */
	for (uint64_t page = 0; page < PAGES / 2; page++)
		assert_int_equal(tracker_peek(&t, page), 1);
	assert_int_equal(tracker_collect(&t), 0);
	/* A hole that somebody else fills is noticed, here at the latest. */
	other[3000 * RAMJET_PAGE_BYTES] = 1;
	assert_int_equal(tracker_collect(&t), 1);
	assert_true(rj_bitmap_test(&t.map, 3000));
	assert_int_equal(tracker_collect(&t), 0);
	(void)munmap(other, BYTES);
	tracker_end(&t);
}

/* The kernel may unmap shared pages at any time; here it is made to. */
static void written_shared_pages_may_vanish_from_the_page_table(void **state)
{
	uint8_t *host;
	struct tracker t;

	(void)state;
	tracker_make(&t, MEMORY_MEMFD, BYTES);
	host = t.memory.region.host;
	memset(host, 1, BYTES / 2);
	tracker_begin(&t);
	tracker_poke(&t, 100);
	tracker_poke(&t, 3000);
	assert_int_equal(madvise(host, BYTES, MADV_DONTNEED), 0);
	assert_int_equal(tracker_peek(&t, 99), 1);
	assert_true(tracker_collect(&t) >= 2);
	assert_true(rj_bitmap_test(&t.map, 100));
	assert_true(rj_bitmap_test(&t.map, 3000));
	assert_false(rj_bitmap_test(&t.map, 3001));
	tracker_end(&t);
}

/* Why ramjet_guest_discard() must be called: nobody else tells. */
static void discarded_private_pages_are_not_reported(void **state)
{
	uint8_t *host;
	struct tracker t;

	(void)state;
	tracker_make(&t, MEMORY_ANON, BYTES);
	host = t.memory.region.host;
	memset(host, 1, BYTES);
	tracker_begin(&t);
	assert_int_equal(madvise(host + 10 * RAMJET_PAGE_BYTES,
				 2 * RAMJET_PAGE_BYTES, MADV_DONTNEED),
			 0);
	assert_int_equal(tracker_collect(&t), 0);
	/* Written after that they are. */
	tracker_poke(&t, 11);
	assert_int_equal(tracker_collect(&t), 1);
	assert_true(rj_bitmap_test(&t.map, 11));
	tracker_end(&t);
}

static uint64_t page_table_bytes(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long kib = 0;
	char line[256];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmPTE: %llu kB", &kib) == 1)
			break;
	(void)fclose(file);
	return kib << 10;
}

static uint64_t fd_bytes(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void sparse_memory_stays_sparse(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	uint64_t before = page_table_bytes();
	uint64_t last = (UINT64_C(1) << 40) / RAMJET_PAGE_BYTES - 1;
	struct tracker t;

	tracker_make(&t, kind, UINT64_C(1) << 40);
	for (uint64_t page = 0; page <= last; page += last / 10)
		tracker_poke(&t, page);
	tracker_begin(&t);
	assert_int_equal(tracker_collect(&t), 0);
	tracker_poke(&t, 0);
	tracker_poke(&t, last - 1);
	tracker_poke(&t, last / 3);
	assert_int_equal(tracker_collect(&t), 3);
	assert_true(rj_bitmap_test(&t.map, last - 1));
	assert_true(rj_bitmap_test(&t.map, last / 3));
	assert_int_equal(tracker_collect(&t), 0);
	assert_true(page_table_bytes() - before < 1 << 20);
	if (t.memory.region.fd >= 0)
		assert_true(fd_bytes(t.memory.region.fd) < 1 << 20);
	tracker_end(&t);
}

static void a_second_userfaultfd_is_told(void **state)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };
	struct tracker t;
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1);

	(void)state;
	if (uffd < 0)
		skip();
	tracker_make(&t, MEMORY_ANON, BYTES);
	reg.range.start = (uintptr_t)t.memory.region.host;
	reg.range.len = RAMJET_PAGE_BYTES;
	assert_int_equal(ioctl(uffd, UFFDIO_API, &api), 0);
	assert_int_equal(ioctl(uffd, UFFDIO_REGISTER, &reg), 0);
	assert_int_equal(ramjet_dirty_pagemap_new(&t.source, NULL), 0);
	assert_int_equal(rj_dirty_set_start(&t.set, &t.source, 1,
					    &t.memory.region, 1, &t.err),
			 -EBUSY);
	assert_string_equal(t.err.message,
			    "dirty source pagemap: block ram0: its memory is "
			    "registered with another userfaultfd already");
	(void)close(uffd);
	tracker_end(&t);
}

static void memory_mapped_anew_is_told(void **state)
{
	struct rj_bitmap *bitmaps[1];
	uint64_t marked;
	struct tracker t;

	(void)state;
	tracker_make(&t, MEMORY_ANON, BYTES);
	tracker_begin(&t);
	bitmaps[0] = &t.map;
	assert_true(mmap(t.memory.region.host, BYTES / 2,
			 PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			 0) != MAP_FAILED);
	assert_int_equal(
		rj_dirty_set_collect(&t.set, NULL, bitmaps, &marked, &t.err),
		-EPERM);
	assert_non_null(strstr(t.err.message, "was it mapped anew?"));
	tracker_end(&t);
}

/* Exit code 0, or 77 when not allowed at all. */
static int unprivileged_main(void)
{
	struct tracker t;
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	int rc;

	memset(&t, 0, sizeof(t));
	/* Giving up root makes a process undumpable, and /proc/self root's. */
	if (setgid(65534) || setuid(65534) || prctl(PR_SET_DUMPABLE, 1) ||
	    !memory_make(MEMORY_ANON, BYTES, &t.memory) ||
	    rj_bitmap_init(&t.map, PAGES, NULL) ||
	    ramjet_dirty_pagemap_new(&t.source, NULL))
		return 1;
	tracker_poke(&t, 3);
	rc = rj_dirty_set_start(&t.set, &t.source, 1, &t.memory.region, 1,
				&t.err);
	if (!tracker_kernel_can(&t.err, rc))
		return 77;
	if (!rc)
		rc = tracker_arm_all(&t);
	if (rc) {
		printf("# %s\n", t.err.message);
		return 2;
	}
	tracker_poke(&t, 3);
	if (read(fd, t.memory.region.host + 5 * RAMJET_PAGE_BYTES, 8) != 8)
		return 3;
	if (tracker_collect(&t) != 2 || !rj_bitmap_test(&t.map, 5))
		return 4;
	tracker_end(&t);
	return 0;
}

static void needs_no_privilege(void **state)
{
	int status;
	pid_t child;

	(void)state;
	if (geteuid())
		skip();
	(void)fflush(stdout);
	child = fork();
	if (!child)
		_exit(unprivileged_main());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	static enum memory_kind kinds[MEMORY_KINDS_];
#define of_kind(test, kind)                                     \
	{                                                       \
#test "/" #kind, test, NULL, NULL, &kinds[kind] \
	}
	const struct CMUnitTest tests[] = {
		of_kind(reports_exactly_what_was_written, MEMORY_ANON),
		of_kind(reports_exactly_what_was_written, MEMORY_THP),
		of_kind(reports_exactly_what_was_written, MEMORY_MEMFD),
		of_kind(reports_exactly_what_was_written, MEMORY_MEMFD_THP),
		of_kind(reports_exactly_what_was_written, MEMORY_HUGETLB_ANON),
		of_kind(reports_exactly_what_was_written, MEMORY_HUGETLB_MEMFD),
		of_kind(sees_writes_of_the_kernel, MEMORY_ANON),
		of_kind(sees_writes_of_the_kernel, MEMORY_MEMFD),
		of_kind(sees_writes_of_the_kernel, MEMORY_HUGETLB_MEMFD),
		of_kind(loses_nothing_while_a_thread_writes, MEMORY_ANON),
		of_kind(loses_nothing_while_a_thread_writes, MEMORY_THP),
		of_kind(loses_nothing_while_a_thread_writes, MEMORY_MEMFD),
		of_kind(loses_nothing_while_a_thread_writes, MEMORY_MEMFD_THP),
		of_kind(loses_nothing_while_a_thread_writes,
			MEMORY_HUGETLB_MEMFD),
		of_kind(sparse_memory_stays_sparse, MEMORY_ANON),
		of_kind(sparse_memory_stays_sparse, MEMORY_MEMFD),
		cmocka_unit_test(stops_and_starts_again),
		cmocka_unit_test(data_put_there_by_others_is_no_dirt),
		cmocka_unit_test(
			written_shared_pages_may_vanish_from_the_page_table),
		cmocka_unit_test(discarded_private_pages_are_not_reported),
		cmocka_unit_test(a_second_userfaultfd_is_told),
		cmocka_unit_test(memory_mapped_anew_is_told),
		cmocka_unit_test(needs_no_privilege),
	};

	for (unsigned i = 0; i < MEMORY_KINDS_; i++)
		kinds[i] = (enum memory_kind)i;
	return cmocka_run_group_tests_name("pagemap", tests, NULL, NULL);
}
