/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/extent.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"

/* One line of /proc/self/maps. */
struct mapping {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	uint64_t inode;
	unsigned major;
	unsigned minor;
	bool shared;
	bool anonymous;
};

static bool parse_line(const char *line, struct mapping *m)
{
	char sharing;

	if (sscanf(line,
		   "%" SCNx64 "-%" SCNx64 " %*c%*c%*c%c %" SCNx64
		   " %x:%x %" SCNu64,
		   &m->start, &m->end, &sharing, &m->offset, &m->major,
		   &m->minor, &m->inode) != 7)
		return false;
	m->shared = sharing == 's';
	/* MAP_ANONYMOUS | MAP_HUGETLB is a file inside of the kernel. */
	m->anonymous = !m->inode || strstr(line, " /anon_hugepage (deleted)\n");
	return true;
}

static bool is_of_region(const struct mapping *m,
			 const struct ramjet_dirty_region *region,
			 const struct stat *st)
{
	uint64_t host = (uintptr_t)region->host;

	/* host + (offset - fd_offset) == start, without negative numbers */
	return m->inode == st->st_ino && m->major == major(st->st_dev) &&
	       m->minor == minor(st->st_dev) &&
	       m->offset + host == region->fd_offset + m->start;
}

static enum rj_backing classify(const struct mapping *m,
				const struct ramjet_dirty_region *region,
				const struct stat *st)
{
	if (!m->shared)
		return m->anonymous ? RJ_BACKING_PRIVATE_ANON
				    : RJ_BACKING_PRIVATE_FILE;
	return st && is_of_region(m, region, st) ? RJ_BACKING_SHARED_FD
						 : RJ_BACKING_SHARED_OTHER;
}

static void fclosep(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

enum rj_backing rj_backing_of(const struct ramjet_dirty_region *region)
{
	uint64_t at = (uintptr_t)region->host;
	uint64_t end = at + region->page_count * RAMJET_PAGE_BYTES;
	rj_cleanup(fclosep) FILE *maps = fopen("/proc/self/maps", "re");
	rj_autofree char *line = NULL;
	enum rj_backing backing = RJ_BACKING_SHARED_OTHER;
	struct mapping m;
	struct stat st;
	bool have_stat = region->fd >= 0 && !fstat(region->fd, &st);
	bool first = true;
	size_t room = 0;

	/* The mappings of the region follow each other without a gap. */
	while (maps && at < end && getline(&line, &room, maps) > 0) {
		enum rj_backing now;

		if (!parse_line(line, &m))
			return RJ_BACKING_SHARED_OTHER;
		if (m.end <= at)
			continue;
		if (m.start > at)
			return RJ_BACKING_SHARED_OTHER;
		now = classify(&m, region, have_stat ? &st : NULL);
		if (!first && now != backing)
			return RJ_BACKING_SHARED_OTHER;
		backing = now;
		first = false;
		at = m.end;
	}
	return at < end ? RJ_BACKING_SHARED_OTHER : backing;
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
