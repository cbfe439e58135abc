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
#include "util/cleanup.h"
#include "util/error.h"

/* linux/userfaultfd.h since 5.13 */
#ifndef UFFD_FEATURE_MINOR_HUGETLBFS
#error "the headers of Linux 5.13 are wanted"
#endif

struct probe {
	int uffd;
	uint8_t *host; /* a second mapping of the region's pages */
	uint64_t bytes;
	uint64_t page_bytes; /* of the file system */
};

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
		      struct probe *probe, struct ramjet_error *err)
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

static void close_probe(struct probe *probe)
{
	if (probe->host)
		(void)munmap(probe->host, probe->bytes);
	rj_close_fd(&probe->uffd);
}

/* Bytes from `at` on that the file has; 0: a hole of one page; or an error. */
static int64_t ask(const struct probe *probe, uint64_t at,
		   struct ramjet_error *err)
{
	struct uffdio_continue range = {
		.range = { .start = (uintptr_t)probe->host + at,
			   .len = probe->bytes - at },
	};
	const int rc = ioctl(probe->uffd, UFFDIO_CONTINUE, &range) ? -errno : 0;

	/* Stopped by a hole further on, or by the end. */
	if (range.mapped > 0)
		return range.mapped;
	if (rc == -EFAULT)
		return 0;
	return rj_fail_errno(err, rc ? rc : -EIO, "UFFDIO_CONTINUE");
}

static int scan(const struct probe *probe, struct rj_bitmap *bm,
		struct ramjet_error *err)
{
	uint64_t at = 0;

	while (at < probe->bytes) {
		const int64_t there = ask(probe, at, err);

		if (there < 0)
			return (int)there;
		if (there)
			(void)rj_bitmap_set_run(bm, at / RAMJET_PAGE_BYTES,
						(uint64_t)there /
							RAMJET_PAGE_BYTES);
		at += there ? (uint64_t)there : probe->page_bytes;
	}
	return 0;
}

int rj_hugetlb_scan(const struct ramjet_dirty_region *region,
		    struct rj_bitmap *bm, struct ramjet_error *err)
{
	struct probe probe = { .uffd = -1 };
	int rc = open_probe(region, &probe, err);

	if (!rc)
		rc = scan(&probe, bm, err);
	close_probe(&probe);
	return rc;
}
