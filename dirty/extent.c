/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/extent.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "dirty/mappings.h"
#include "util/error.h"

static bool is_of_region(const struct rj_mapping *m,
			 const struct ramjet_dirty_region *region,
			 const struct stat *st)
{
	uint64_t host = (uintptr_t)region->host;

	/* host + (offset - fd_offset) == start, without negative numbers */
	return m->inode == st->st_ino && m->major == major(st->st_dev) &&
	       m->minor == minor(st->st_dev) &&
	       m->offset + host == region->fd_offset + m->start;
}

static enum rj_backing classify(const struct rj_mapping *m,
				const struct ramjet_dirty_region *region,
				const struct stat *st)
{
	if (!m->shared)
		return m->anonymous ? RJ_BACKING_PRIVATE_ANON
				    : RJ_BACKING_PRIVATE_FILE;
	return st && is_of_region(m, region, st) ? RJ_BACKING_SHARED_FD
						 : RJ_BACKING_SHARED_OTHER;
}

/* What the mappings of a region have in common. */
struct look {
	const struct ramjet_dirty_region *region;
	const struct stat *st;
	enum rj_backing backing;
	bool some;
};

static bool look_at(void *user, const struct rj_mapping *m)
{
	struct look *look = user;
	const enum rj_backing now = classify(m, look->region, look->st);

	if (look->some && now != look->backing)
		return false;
	look->backing = now;
	look->some = true;
	return true;
}

enum rj_backing rj_backing_of(const struct ramjet_dirty_region *region)
{
	const uint64_t from = (uintptr_t)region->host;
	const uint64_t end = from + region->page_count * RAMJET_PAGE_BYTES;
	struct look look = { .region = region };
	struct stat st;

	if (region->fd >= 0 && !fstat(region->fd, &st))
		look.st = &st;
	return rj_mappings_of(from, end, look_at, &look)
		       ? look.backing
		       : RJ_BACKING_SHARED_OTHER;
}

bool rj_extent_knows_holes(int fd)
{
	struct statfs fs;

	/* hugetlbfs answers as if the whole file were data. */
	return fd >= 0 && !fstatfs(fd, &fs) &&
	       fs.f_type != (__fsword_t)HUGETLBFS_MAGIC;
}

/* Position of the next data or hole at or after `at`; end when beyond. */
static int seek(int fd, uint64_t at, uint64_t end, int whence, uint64_t *ret)
{
	off_t found = lseek(fd, (off_t)at, whence);

	if (found < 0 && errno == ENXIO)
		found = (off_t)end;
	else if (found < 0)
		return -errno;
	*ret = (uint64_t)found < end ? (uint64_t)found : end;
	return 0;
}

int rj_extent_next(const struct ramjet_dirty_region *region, uint64_t from,
		   uint64_t end, uint64_t *ret_first, uint64_t *ret_end,
		   struct ramjet_error *err)
{
	uint64_t base = region->fd_offset;
	uint64_t at = base + from * RAMJET_PAGE_BYTES;
	uint64_t limit = base + end * RAMJET_PAGE_BYTES;
	uint64_t data = limit;
	uint64_t hole = limit;
	int rc;

	rc = seek(region->fd, at, limit, SEEK_DATA, &data);
	if (rc)
		return rj_fail_errno(err, rc, "SEEK_DATA");
	if (data >= limit)
		return 0;
	rc = seek(region->fd, data, limit, SEEK_HOLE, &hole);
	if (rc)
		return rj_fail_errno(err, rc, "SEEK_HOLE");
	/* Extents of a file may begin and end within a page. */
	*ret_first = (data - base) / RAMJET_PAGE_BYTES;
	*ret_end = (hole - base + RAMJET_PAGE_BYTES - 1) / RAMJET_PAGE_BYTES;
	if (*ret_end == *ret_first)
		*ret_end = *ret_first + 1;
	return 1;
}
