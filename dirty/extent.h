/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_EXTENT_H
#define RJ_DIRTY_EXTENT_H
/*
 * What lies behind a block: private memory, or a file others may write as
 * well, and where that file has data.
 */
#include <stdbool.h>

#include "ramjet-dirty.h"
#include "util/compiler.h"

enum rj_backing {
	/* Absent pages read as zero. */
	RJ_BACKING_PRIVATE_ANON,
	/* Absent pages have the file's content. */
	RJ_BACKING_PRIVATE_FILE,
	/* A shared mapping of the region's fd at its fd_offset. */
	RJ_BACKING_SHARED_FD,
	/* A shared mapping of something else, or several kinds in one. */
	RJ_BACKING_SHARED_OTHER,
};

/* What cannot be made out is SHARED_OTHER, of which
 * nothing is assumed. */
enum rj_backing rj_backing_of(const struct ramjet_dirty_region *region);

/* The same of `page_count` pages from `first_page` on, which process `pid` has
 * mapped at `address`. */
enum rj_backing rj_backing_in(int pid, uint64_t address,
			      const struct ramjet_dirty_region *region,
			      uint64_t first_page, uint64_t page_count);

/* Whether holes of fd can be told from data: not so on hugetlbfs. */
bool rj_extent_knows_holes(int fd);

/* The first page with data in [from, end). Returns 1, 0 when there is none, or a
 * negative errno. */
RJ_NODISCARD int rj_extent_first(const struct ramjet_dirty_region *region,
				 uint64_t from, uint64_t end, uint64_t *ret,
				 struct ramjet_error *err);

/*
 * The first run of pages with data in [from, end) of the region, whose
 * backing is SHARED_FD. Returns 1, 0 when there is none, or a negative errno.
 */
RJ_NODISCARD int rj_extent_next(const struct ramjet_dirty_region *region,
				uint64_t from, uint64_t end,
				uint64_t *ret_first, uint64_t *ret_end,
				struct ramjet_error *err);
#endif
