/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UFFDIO_CONTINUE maps pages that the file has into a mapping registered for
 * minor faults, and fails with EFAULT where it has none: on a mapping of our
 * own, which nobody ever touches, that is a question without side effects. A
 * call answers for a whole run of pages, or for one hole.
 */
#include "dirty/hugetlb.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "dirty/uffd.h"
#include "util/bits.h"
#include "util/cleanup.h"
#include "util/error.h"

/* linux/userfaultfd.h since 5.13 */
#ifndef UFFD_FEATURE_MINOR_HUGETLBFS
#error "the headers of Linux 5.13 are wanted"
#endif

static int open_uffd(struct ramjet_error *err)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_MINOR_HUGETLBFS,
	};
	rj_autoclose int fd = rj_uffd_open(err);

	if (fd < 0)
		return fd;
	if (ioctl(fd, UFFDIO_API, &api))
		return rj_fail_errno(err, -errno,
				     "userfaultfd: minor faults of hugetlbfs");
	return rj_steal_fd(&fd);
}

static int open_probe(const struct ramjet_dirty_region *region,
		      struct rj_hugetlb *probe, struct ramjet_error *err)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MINOR };
	struct statfs fs;
	void *host;

	if (fstatfs(region->fd, &fs))
		return rj_fail_errno(err, -errno, "hugetlbfs: page size");
	probe->page_bytes = (uint64_t)fs.f_bsize;
	probe->bytes = region->page_count * RAMJET_PAGE_BYTES;
	if (probe->bytes % probe->page_bytes)
		return rj_fail(err, -EINVAL, "hugetlbfs: part of a page");
	probe->uffd = open_uffd(err);
	if (probe->uffd < 0)
		return probe->uffd;
	/* NORESERVE: takes nothing from the pool. */
	host = mmap(NULL, probe->bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE,
		    region->fd, (off_t)region->fd_offset);
	if (host == MAP_FAILED)
		return rj_fail_errno(err, -errno, "hugetlbfs: mapping it");
	probe->host = host;
	reg.range.start = (uintptr_t)host;
	reg.range.len = probe->bytes;
	if (ioctl(probe->uffd, UFFDIO_REGISTER, &reg))
		return rj_fail_errno(err, -errno,
				     "hugetlbfs: userfaultfd does not take it");
	return 0;
}

int rj_hugetlb_open(struct rj_hugetlb *probe,
		    const struct ramjet_dirty_region *region,
		    struct ramjet_error *err)
{
	int rc;

	*probe = (struct rj_hugetlb)RJ_HUGETLB_NONE;
	rc = open_probe(region, probe, err);
	if (rc)
		rj_hugetlb_close(probe);
	return rc;
}

void rj_hugetlb_close(struct rj_hugetlb *probe)
{
	if (probe->host)
		(void)munmap(probe->host, probe->bytes);
	rj_close_fd(&probe->uffd);
	*probe = (struct rj_hugetlb)RJ_HUGETLB_NONE;
}

/* Bytes from `at` on, before `end`, that the file has; 0: a hole of one page;
 * or an error. */
static int64_t ask(const struct rj_hugetlb *probe, uint64_t at, uint64_t end,
		   struct ramjet_error *err)
{
	struct uffdio_continue range = {
		.range = { .start = (uintptr_t)probe->host + at,
			   .len = end - at },
	};
	const int rc = ioctl(probe->uffd, UFFDIO_CONTINUE, &range) ? -errno : 0;

	/* Stopped by a hole further on, or by the end. */
	if (range.mapped > 0)
		return range.mapped;
	if (rc == -EFAULT)
		return 0;
	/* Asked before. */
	if (rc == -EEXIST)
		return (int64_t)probe->page_bytes;
	return rj_fail_errno(err, rc ? rc : -EIO, "UFFDIO_CONTINUE");
}

/* The huge pages that [first_page, first_page + count) lies in: their bytes. */
static uint64_t whole_pages(const struct rj_hugetlb *probe, uint64_t first_page,
			    uint64_t count, uint64_t *ret_end)
{
	const uint64_t first = first_page * RAMJET_PAGE_BYTES;
	const uint64_t end = first + count * RAMJET_PAGE_BYTES;

	*ret_end = rj_div_round_up(end, probe->page_bytes) * probe->page_bytes;
	return first - first % probe->page_bytes;
}

int rj_hugetlb_look(const struct rj_hugetlb *probe, uint64_t first_page,
		    uint64_t count, struct rj_bitmap *bm,
		    struct ramjet_error *err)
{
	uint64_t end, at = whole_pages(probe, first_page, count, &end);

	while (at < end) {
		const int64_t there = ask(probe, at, end, err);
		uint64_t from = at / RAMJET_PAGE_BYTES, to;

		if (there < 0)
			return (int)there;
		at += there ? (uint64_t)there : probe->page_bytes;
		to = at / RAMJET_PAGE_BYTES;
		from = from > first_page ? from : first_page;
		to = to < first_page + count ? to : first_page + count;
		if (there)
			(void)rj_bitmap_set_run(bm, from, to - from);
	}
	return 0;
}

int rj_hugetlb_first(const struct rj_hugetlb *probe, uint64_t first_page,
		     uint64_t count, uint64_t *ret_page,
		     struct ramjet_error *err)
{
	uint64_t end, at = whole_pages(probe, first_page, count, &end);
	int64_t there = 0;

	for (; at < end; at += probe->page_bytes) {
		there = ask(probe, at, at + probe->page_bytes, err);
		if (there)
			break;
	}
	if (there < 0)
		return (int)there;
	*ret_page = there ? at / RAMJET_PAGE_BYTES : first_page + count;
	if (*ret_page < first_page)
		*ret_page = first_page;
	return 0;
}
