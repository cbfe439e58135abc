/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_POPULATED_H
#define RJ_DIRTY_POPULATED_H
/*
 * Which pages of a block hold anything at all. Never-touched memory is neither
 * read nor sent, since reading would populate it.
 *
 *   private anonymous   PAGEMAP_SCAN for present or swapped pages
 *   memfd, tmpfs, file  SEEK_DATA / SEEK_HOLE on the fd (a page may be
 *                       populated through another mapping)
 *   hugetlbfs           UFFDIO_CONTINUE on a mapping of our own
 *   filled lazily       every page counts (lazy.h)
 *   not mapped here     what its operations say (ramjet-remote.h)
 *
 * Run it after dirty tracking has started: what is populated later then
 * appears as dirty.
 */
#include <stdatomic.h>

#include "dirty/bitmap.h"
#include "dirty/hugetlb.h"
#include "dirty/pagescan.h"
#include "ramjet-dirty.h"

enum rj_populated_method {
	RJ_POPULATED_ALL, /* nothing known: every page counts */
	RJ_POPULATED_PAGEMAP_SCAN,
	RJ_POPULATED_SEEK_DATA,
	RJ_POPULATED_UFFD_CONTINUE,
	RJ_POPULATED_ASKED,
};

/* Set a bit in `bm` for every populated page of `region`. *ret_method says
 * how it was found out; *ret_reason (static text) why not better. */
RJ_NODISCARD int rj_populated_scan(const struct ramjet_dirty_region *region,
				   struct rj_bitmap *bm,
				   enum rj_populated_method *ret_method,
				   const char **ret_reason,
				   struct ramjet_error *err);
/* The same in two steps, to look at a region piece by piece. First, for the
 * whole region: by which method; why by no better one, "" when there is
 * none. */
enum rj_populated_method rj_populated_choose(
	const struct ramjet_dirty_region *region, const char **ret_reason);
/* Then, of a part of it. Where that fails every page counts, and *ret_reason
 * says so; "" otherwise. */
RJ_NODISCARD int rj_populated_scan_as(enum rj_populated_method method,
				      const struct ramjet_dirty_region *region,
				      struct rj_bitmap *bm,
				      const char **ret_reason,
				      struct ramjet_error *err);

/* A region that several threads look at, in parts. */
struct rj_populated {
	const struct ramjet_dirty_region *region; /* borrowed */
	/* enum rj_populated_method; RJ_POPULATED_ALL once it has failed */
	_Atomic int method;
	struct rj_scan_pool *scans; /* borrowed, all regions' */
	struct rj_hugetlb hugetlb;
};

/* Takes no time in proportion to the region. `scans` is opened when it is needed
 * and was not. *ret_reason as with rj_populated_scan(). */
RJ_NODISCARD int rj_populated_open(struct rj_populated *look,
				   const struct ramjet_dirty_region *region,
				   struct rj_scan_pool *scans,
				   const char **ret_reason,
				   struct ramjet_error *err);
/* Every page is to count. */
void rj_populated_open_all(struct rj_populated *look,
			   const struct ramjet_dirty_region *region);
/* Safe on a zeroed struct. */
void rj_populated_close(struct rj_populated *look);
/* Set a bit for every populated page of [first_page, first_page + count). Where
 * that fails all of them count, from now on, and *ret_reason says so; ""
 * otherwise. Any thread. */
RJ_NODISCARD int rj_populated_look(struct rj_populated *look,
				   uint64_t first_page, uint64_t count,
				   struct rj_bitmap *bm,
				   const char **ret_reason,
				   struct ramjet_error *err);
/* The first populated page of these, or their end: a hint, true a moment ago.
 * Any thread. */
uint64_t rj_populated_first(struct rj_populated *look, uint64_t first_page,
			    uint64_t count);
const char *rj_populated_method_name(enum rj_populated_method method);
#endif
