/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A page whose bit stays clear read as zero when it was looked at:
 *
 * - an absent page of private anonymous memory, and one that maps the zero
 *   page (it was read, never written);
 * - a hole of the file behind a shared mapping. Page tables would not do
 *   here: others may have put the page there. On hugetlbfs holes are found
 *   in another way (hugetlb.c).
 *
 * Where that cannot be known, every page counts. A private mapping of a file
 * shows the file where it was not written, so all of it counts as well. And
 * where somebody fills missing pages at the first touch, what is absent holds
 * what he would put there: callers ask first (lazy.h).
 */
#include "dirty/populated.h"

#include <errno.h>

#include "dirty/extent.h"
#include "dirty/hugetlb.h"
#include "dirty/pagescan.h"
#include "util/cleanup.h"
#include "util/error.h"

const char *rj_populated_method_name(enum rj_populated_method method)
{
	switch (method) {
	case RJ_POPULATED_ALL:
		return "all";
	case RJ_POPULATED_PAGEMAP_SCAN:
		return "pagemap_scan";
	case RJ_POPULATED_SEEK_DATA:
		return "seek_data";
	case RJ_POPULATED_UFFD_CONTINUE:
		return "uffd_continue";
	}
	return "invalid";
}

static int set_run(void *user, uint64_t first, uint64_t count,
		   RJ_UNUSED struct ramjet_error *err)
{
	(void)rj_bitmap_set_run(user, first, count);
	return 0;
}

static int scan_pagemap(const struct ramjet_dirty_region *region,
			struct rj_bitmap *bm, struct ramjet_error *err)
{
	static const struct rj_pagescan_query populated = {
		.inverted = RJ_PAGE_IS_PFNZERO,
		.mask = RJ_PAGE_IS_PFNZERO,
		.anyof = RJ_PAGE_IS_PRESENT | RJ_PAGE_IS_SWAPPED,
	};
	rj_cleanup(rj_pagescan_close) struct rj_pagescan scan =
		RJ_PAGESCAN_NONE;
	int rc = rj_pagescan_open(&scan, err);

	if (rc)
		return rc;
	return rj_pagescan_run(&scan, &populated, region->host,
			       region->page_count, set_run, bm, err);
}

static int scan_file(const struct ramjet_dirty_region *region,
		     struct rj_bitmap *bm, struct ramjet_error *err)
{
	uint64_t at = 0;
	uint64_t first;
	int rc;

	while ((rc = rj_extent_next(region, at, region->page_count, &first, &at,
				    err)) > 0)
		(void)rj_bitmap_set_run(bm, first, at - first);
	return rc;
}

/* Choose the method. NULL, or why nothing can be known of the region. */
static const char *choose(const struct ramjet_dirty_region *region,
			  enum rj_populated_method *ret_method)
{
	*ret_method = RJ_POPULATED_ALL;
	switch (rj_backing_of(region)) {
	case RJ_BACKING_PRIVATE_ANON:
		*ret_method = RJ_POPULATED_PAGEMAP_SCAN;
		return NULL;
	case RJ_BACKING_SHARED_FD:
		*ret_method = rj_extent_knows_holes(region->fd)
				      ? RJ_POPULATED_SEEK_DATA
				      : RJ_POPULATED_UFFD_CONTINUE;
		return NULL;
	case RJ_BACKING_PRIVATE_FILE:
		return "a private mapping of a file shows the file";
	case RJ_BACKING_SHARED_OTHER:
		break;
	}
	return region->fd < 0 ? "shared memory without a file descriptor"
			      : "the memory is not all a shared mapping of the "
				"block's file descriptor";
}

static int look(enum rj_populated_method method,
		const struct ramjet_dirty_region *region, struct rj_bitmap *bm,
		struct ramjet_error *err)
{
	switch (method) {
	case RJ_POPULATED_PAGEMAP_SCAN:
		return scan_pagemap(region, bm, err);
	case RJ_POPULATED_SEEK_DATA:
		return scan_file(region, bm, err);
	case RJ_POPULATED_UFFD_CONTINUE:
		return rj_hugetlb_scan(region, bm, err);
	case RJ_POPULATED_ALL:
		break;
	}
	return 0;
}

static const char *why_not(enum rj_populated_method method)
{
	switch (method) {
	case RJ_POPULATED_PAGEMAP_SCAN:
		return "PAGEMAP_SCAN is not available";
	case RJ_POPULATED_SEEK_DATA:
		return "SEEK_DATA is not supported by the file";
	default:
		return "userfaultfd does not tell what hugetlbfs has";
	}
}

enum rj_populated_method rj_populated_choose(
	const struct ramjet_dirty_region *region, const char **ret_reason)
{
	enum rj_populated_method method;
	const char *reason = choose(region, &method);

	*ret_reason = reason ? reason : "";
	return method;
}

int rj_populated_scan_as(enum rj_populated_method method,
			 const struct ramjet_dirty_region *region,
			 struct rj_bitmap *bm, const char **ret_reason,
			 struct ramjet_error *err)
{
	struct ramjet_error why = { 0 };
	const int rc = look(method, region, bm, &why);

	if (rc == -ENOMEM)
		return rj_fail(err, rc, "block %s: %s", region->name,
			       why.message);
	*ret_reason = rc ? why_not(method) : "";
	if (rc || method == RJ_POPULATED_ALL)
		(void)rj_bitmap_set_run(bm, 0, region->page_count);
	return 0;
}

int rj_populated_scan(const struct ramjet_dirty_region *region,
		      struct rj_bitmap *bm,
		      enum rj_populated_method *ret_method,
		      const char **ret_reason, struct ramjet_error *err)
{
	const char *reason;
	enum rj_populated_method method = rj_populated_choose(region, &reason);
	const char *failure;
	const int rc = rj_populated_scan_as(method, region, bm, &failure, err);

	if (rc)
		return rc;
	*ret_method = *failure ? RJ_POPULATED_ALL : method;
	*ret_reason = *failure ? failure : reason;
	return 0;
}
