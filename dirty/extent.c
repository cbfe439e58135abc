/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/extent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "dirty/bitmap.h"
#include "dirty/mappings.h"
#include "dirty/uapi.h"
#include "util/error.h"

/* Chosen: how many pages are looked at with one system call. */
#define RESIDENT_MIN 16u
#define RESIDENT_MAX 4096u

/* What the mappings of a part of a region have in common. */
struct look {
	uint64_t address;   /* of the part */
	uint64_t fd_offset; /* likewise */
	const struct stat *st;
	enum rj_backing backing;
	bool some;
};

static bool is_of_region(const struct rj_mapping *m, const struct look *look)
{
	const struct stat *st = look->st;

	/* address + (offset - fd_offset) == start, without negative numbers */
	return m->inode == st->st_ino && m->major == major(st->st_dev) &&
	       m->minor == minor(st->st_dev) &&
	       m->offset + look->address == look->fd_offset + m->start;
}

static enum rj_backing classify(const struct rj_mapping *m,
				const struct look *look)
{
	if (!m->shared)
		return m->anonymous ? RJ_BACKING_PRIVATE_ANON
				    : RJ_BACKING_PRIVATE_FILE;
	return look->st && is_of_region(m, look) ? RJ_BACKING_SHARED_FD
						 : RJ_BACKING_SHARED_OTHER;
}

static bool look_at(void *user, const struct rj_mapping *m)
{
	struct look *look = user;
	const enum rj_backing now = classify(m, look);

	if (look->some && now != look->backing)
		return false;
	look->backing = now;
	look->some = true;
	return true;
}

/* `pid` 0: of this process. */
static enum rj_backing backing_in(int pid, uint64_t address,
				  const struct ramjet_dirty_region *region,
				  uint64_t first_page, uint64_t page_count)
{
	const uint64_t end = address + page_count * RAMJET_PAGE_BYTES;
	struct look look = {
		.address = address,
		.fd_offset = region->fd_offset + first_page * RAMJET_PAGE_BYTES,
	};
	struct stat st;
	bool whole;

	if (region->fd >= 0 && !fstat(region->fd, &st))
		look.st = &st;
	whole = pid ? rj_mappings_of_process(pid, address, end, look_at,
					     &look) > 0
		    : rj_mappings_of(address, end, look_at, &look);
	return whole ? look.backing : RJ_BACKING_SHARED_OTHER;
}

enum rj_backing rj_backing_of(const struct ramjet_dirty_region *region)
{
	/* Not mapped here (ramjet-remote.h). */
	if (!region->host)
		return RJ_BACKING_SHARED_OTHER;
	return backing_in(0, (uintptr_t)region->host, region, 0,
			  region->page_count);
}

enum rj_backing rj_backing_in(int pid, uint64_t address,
			      const struct ramjet_dirty_region *region,
			      uint64_t first_page, uint64_t page_count)
{
	return backing_in(pid, address, region, first_page, page_count);
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

/* Only in the memory of tmpfs (memfds) does SEEK_HOLE look at each page, up to
 * the file's end if need be: then a hundred parts of a file without holes would
 * take fifty times as long as the whole. */
static bool is_walked(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == (__fsword_t)TMPFS_MAGIC;
}

/*
 * Is most of this in memory, and nothing of it swapped out? Then mincore() tells
 * all, and only then it pays: it looks at each page that is not there, where
 * SEEK_DATA passes holes at once. But pages of tmpfs that fallocate() has
 * reserved, and nobody has written, are walked by SEEK_DATA up to the file's end.
 */
static bool is_resident(const struct ramjet_dirty_region *region, uint64_t from,
			uint64_t end)
{
	struct rj_cachestat_range range = {
		.offset = region->fd_offset + from * RAMJET_PAGE_BYTES,
		.bytes = (end - from) * RAMJET_PAGE_BYTES,
	};
	struct rj_cachestat stat = { 0 };

	return !syscall(RJ_NR_CACHESTAT, region->fd, &range, &stat, 0) &&
	       !stat.evicted && stat.cached >= (end - from) / 2;
}

/* The first of the pages that is in memory, or `end`. */
static uint64_t first_resident(const struct ramjet_dirty_region *region,
			       uint64_t from, uint64_t end)
{
	unsigned char resident[RESIDENT_MAX];

	for (uint64_t page = from; page < end; page += RESIDENT_MAX) {
		const uint64_t some =
			end - page < RESIDENT_MAX ? end - page : RESIDENT_MAX;

		if (mincore(region->host + page * RAMJET_PAGE_BYTES,
			    some * RAMJET_PAGE_BYTES, resident))
			return page;
		for (uint64_t i = 0; i < some; i++)
			if (resident[i] & 1)
				return page + i;
	}
	return end;
}

/* Are these pages known to be without data, though they may take room? Asked
 * twice, as one that is swapped out shows in one, and in memory in the other.
 * Before that a few only: cachestat() walks all that there is. */
static bool is_reserved(const struct ramjet_dirty_region *region, uint64_t from,
			uint64_t end)
{
	const uint64_t few = from + RESIDENT_MIN;

	return end - from >= RJ_CHUNK_PAGES && is_walked(region->fd) &&
	       first_resident(region, from, few) == few &&
	       is_resident(region, from, end) &&
	       first_resident(region, few, end) == end &&
	       is_resident(region, from, end);
}

/* How many of `count` pages of the region from `first` on are in memory, up to
 * the first that is not: these have data. Looks at few at first, since extents
 * may be short. */
static uint64_t count_resident(const struct ramjet_dirty_region *region,
			       uint64_t first, uint64_t count)
{
	unsigned char resident[RESIDENT_MAX];
	uint64_t done = 0, step = RESIDENT_MIN;

	while (done < count) {
		const uint64_t some = count - done < step ? count - done : step;

		if (mincore(region->host + (first + done) * RAMJET_PAGE_BYTES,
			    some * RAMJET_PAGE_BYTES, resident))
			return done;
		for (uint64_t i = 0; i < some; i++)
			if (!(resident[i] & 1))
				return done + i;
		done += some;
		step = step * 4 < RESIDENT_MAX ? step * 4 : RESIDENT_MAX;
	}
	return count;
}

/* Those who may not write the file are told by mincore() that all of it is in
 * memory. */
static bool may_be_told(int fd)
{
	char path[32];
	struct stat st;

	if (!fstat(fd, &st) && st.st_uid == geteuid())
		return true;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return !faccessat(AT_FDCWD, path, W_OK, AT_EACCESS);
}

int rj_extent_first(const struct ramjet_dirty_region *region, uint64_t from,
		    uint64_t end, uint64_t *ret, struct ramjet_error *err)
{
	const uint64_t base = region->fd_offset;
	const uint64_t limit = base + end * RAMJET_PAGE_BYTES;
	uint64_t data = limit;
	int rc;

	if (is_reserved(region, from, end)) {
		*ret = end;
		return 0;
	}
	rc = seek(region->fd, base + from * RAMJET_PAGE_BYTES, limit, SEEK_DATA,
		  &data);
	if (rc)
		return rj_fail_errno(err, rc, "SEEK_DATA");
	/* Extents of a file may begin and end within a page. */
	*ret = (data - base) / RAMJET_PAGE_BYTES;
	return data < limit;
}

/* The first page at or after `first` that has no data; looks at none beyond
 * `end`. What is not in memory may have been swapped out. */
static int find_hole(const struct ramjet_dirty_region *region, uint64_t first,
		     uint64_t end, uint64_t *ret, struct ramjet_error *err)
{
	uint64_t page = first, data;
	int rc;

	for (;; page++) {
		page += count_resident(region, page, end - page);
		if (page == end)
			break;
		rc = rj_extent_first(region, page, end, &data, err);
		if (rc < 0)
			return rc;
		if (!rc || data > page)
			break;
	}
	*ret = page;
	return 0;
}

static int seek_hole(const struct ramjet_dirty_region *region, uint64_t first,
		     uint64_t end, uint64_t *ret, struct ramjet_error *err)
{
	const uint64_t base = region->fd_offset;
	const uint64_t limit = base + end * RAMJET_PAGE_BYTES;
	uint64_t data = limit, hole = limit;
	/* From where the data begins: its page may begin with a hole. */
	int rc = seek(region->fd, base + first * RAMJET_PAGE_BYTES, limit,
		      SEEK_DATA, &data);

	if (!rc)
		rc = seek(region->fd, data, limit, SEEK_HOLE, &hole);
	if (rc)
		return rj_fail_errno(err, rc, "SEEK_HOLE");
	*ret = (hole - base + RAMJET_PAGE_BYTES - 1) / RAMJET_PAGE_BYTES;
	if (*ret == first)
		*ret = first + 1;
	return 0;
}

int rj_extent_next(const struct ramjet_dirty_region *region, uint64_t from,
		   uint64_t end, uint64_t *ret_first, uint64_t *ret_end,
		   struct ramjet_error *err)
{
	int rc = rj_extent_first(region, from, end, ret_first, err);
	bool found;

	if (rc <= 0)
		return rc;
	rc = 0;
	found = is_walked(region->fd);
	if (found)
		rc = find_hole(region, *ret_first, end, ret_end, err);
	/* All there: really? */
	if (!rc && found && *ret_end == end)
		found = may_be_told(region->fd);
	if (!rc && !found)
		rc = seek_hole(region, *ret_first, end, ret_end, err);
	if (!rc && *ret_end == *ret_first)
		*ret_end = *ret_first + 1;
	return rc ? rc : 1;
}
