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
#include "dirty/pagescan.h"
#include "ramjet-remote.h"
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
	case RJ_POPULATED_ASKED:
		return "vmm";
	}
	return "invalid";
}

static const struct rj_pagescan_query populated = {
	.inverted = RJ_PAGE_IS_PFNZERO,
	.mask = RJ_PAGE_IS_PFNZERO,
	.anyof = RJ_PAGE_IS_PRESENT | RJ_PAGE_IS_SWAPPED,
};

/* Where a scan's page 0 is, in the bitmap. */
struct into {
	struct rj_bitmap *bm;
	uint64_t first_page;
};

static int set_run(void *user, uint64_t first, uint64_t count,
		   RJ_UNUSED struct ramjet_error *err)
{
	const struct into *into = user;

	(void)rj_bitmap_set_run(into->bm, into->first_page + first, count);
	return 0;
}

/* Choose the method. NULL, or why nothing can be known of the region. */
static const char *choose(const struct ramjet_dirty_region *region,
			  enum rj_populated_method *ret_method)
{
	*ret_method = RJ_POPULATED_ALL;
	if (region->memory && !region->memory->populated)
		return "the block's memory has no operation `populated`";
	if (region->memory) {
		*ret_method = RJ_POPULATED_ASKED;
		return NULL;
	}
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

/* ---- in parts ---------------------------------------------------------- */

static bool is_usable(struct rj_populated *look, struct ramjet_error *err)
{
	uint64_t page;
	struct rj_pagescan *scan;
	bool usable;

	switch ((enum rj_populated_method)atomic_load(&look->method)) {
	case RJ_POPULATED_UFFD_CONTINUE:
		return !rj_hugetlb_open(&look->hugetlb, look->region, err);
	case RJ_POPULATED_SEEK_DATA:
	case RJ_POPULATED_ASKED:
	case RJ_POPULATED_ALL:
		return true;
	case RJ_POPULATED_PAGEMAP_SCAN:
		break;
	}
	if (!look->scans->opened && rj_scan_pool_open(look->scans, err))
		return false;
	scan = rj_scan_pool_take(look->scans, err);
	usable = scan && !rj_pagescan_first(scan, &populated,
					    look->region->host, 1, &page, err);
	if (scan)
		rj_scan_pool_give(look->scans, scan);
	return usable;
}

/* From now on every page counts; or -ENOMEM. */
static int fall_back(struct rj_populated *look, enum rj_populated_method method,
		     const struct ramjet_error *why, const char **ret_reason,
		     struct ramjet_error *err)
{
	if (why->code == -ENOMEM)
		return rj_fail(err, -ENOMEM, "block %s: %s", look->region->name,
			       why->message);
	atomic_store(&look->method, RJ_POPULATED_ALL);
	*ret_reason = why_not(method);
	return 0;
}

static int open_as(struct rj_populated *look, enum rj_populated_method method,
		   const struct ramjet_dirty_region *region,
		   struct rj_scan_pool *scans, const char **ret_reason,
		   struct ramjet_error *err)
{
	struct ramjet_error why = { 0 };
	int rc;

	*look = (struct rj_populated){
		.region = region,
		.method = method,
		.scans = scans,
		.hugetlb = RJ_HUGETLB_NONE,
	};
	if (is_usable(look, &why))
		return 0;
	rc = fall_back(look, method, &why, ret_reason, err);
	if (rc)
		rj_populated_close(look);
	return rc;
}

int rj_populated_open(struct rj_populated *look,
		      const struct ramjet_dirty_region *region,
		      struct rj_scan_pool *scans, const char **ret_reason,
		      struct ramjet_error *err)
{
	return open_as(look, rj_populated_choose(region, ret_reason), region,
		       scans, ret_reason, err);
}

void rj_populated_open_all(struct rj_populated *look,
			   const struct ramjet_dirty_region *region)
{
	*look = (struct rj_populated){
		.region = region,
		.method = RJ_POPULATED_ALL,
		.hugetlb = RJ_HUGETLB_NONE,
	};
}

void rj_populated_close(struct rj_populated *look)
{
	if (look->region)
		rj_hugetlb_close(&look->hugetlb);
	*look = (struct rj_populated){ .hugetlb = RJ_HUGETLB_NONE };
}

static int look_at_pagemap(struct rj_populated *look, uint64_t first_page,
			   uint64_t count, struct rj_bitmap *bm,
			   struct ramjet_error *err)
{
	struct rj_pagescan *scan = rj_scan_pool_take(look->scans, err);
	struct into into = { .bm = bm, .first_page = first_page };
	int rc;

	if (!scan)
		return -ENOMEM;
	rc = rj_pagescan_run(scan, &populated,
			     look->region->host +
				     first_page * RAMJET_PAGE_BYTES,
			     count, set_run, &into, err);
	rj_scan_pool_give(look->scans, scan);
	return rc;
}

static int look_at_file(const struct rj_populated *look, uint64_t first_page,
			uint64_t count, struct rj_bitmap *bm,
			struct ramjet_error *err)
{
	const uint64_t end = first_page + count;
	uint64_t at = first_page, first;
	int rc;

	while ((rc = rj_extent_next(look->region, at, end, &first, &at, err)) >
	       0)
		(void)rj_bitmap_set_run(bm, first, at - first);
	return rc;
}

/* ---- asked of the VMM -------------------------------------------------- */

struct asked {
	const struct ramjet_dirty_region *region;
	struct ramjet_memory_range range;
	struct rj_bitmap *bm; /* NULL: the first page alone is wanted */
	uint64_t first;       /* that */
};

/* The engine's, and no errno of the VMM's: the first page was told. */
#define FOUND 1

static int told(void *context, const struct ramjet_memory_range *range)
{
	struct asked *asked = context;
	const uint64_t base = asked->region->fd_offset;
	const uint64_t end = asked->range.offset + asked->range.bytes;

	if (range->offset % RAMJET_PAGE_BYTES ||
	    range->bytes % RAMJET_PAGE_BYTES || !range->bytes ||
	    range->offset < asked->range.offset || range->offset >= end ||
	    range->bytes > end - range->offset)
		return -ERANGE;
	asked->first = (range->offset - base) / RAMJET_PAGE_BYTES;
	if (!asked->bm)
		return FOUND;
	(void)rj_bitmap_set_run(asked->bm, asked->first,
				range->bytes / RAMJET_PAGE_BYTES);
	return 0;
}

/* FOUND, 0, or a negative errno. */
static int ask(struct asked *asked, uint64_t first_page, uint64_t count,
	       struct ramjet_error *err)
{
	const struct ramjet_dirty_region *region = asked->region;
	struct ramjet_error own = { 0 };
	int rc;

	asked->range = (struct ramjet_memory_range){
		region->fd_offset + first_page * RAMJET_PAGE_BYTES,
		count * RAMJET_PAGE_BYTES,
	};
	rc = region->memory->populated(region->memory_user, &asked->range, told,
				       asked, &own);
	if (!rc || (rc == FOUND && !asked->bm))
		return rc;
	if (rc == -ERANGE && !own.message[0])
		(void)rj_fail(
			&own, rc,
			"populated: told pages that it was not asked for");
	rc = rj_callback_result(&own, "populated", rc);
	return rj_fail(err, rc, "block %s: its memory (%s): %s", region->name,
		       region->memory->name, own.message);
}

static int look_asked(const struct rj_populated *look, uint64_t first_page,
		      uint64_t count, struct rj_bitmap *bm,
		      struct ramjet_error *err)
{
	struct asked asked = { .region = look->region, .bm = bm };

	return ask(&asked, first_page, count, err);
}

static int first_asked(const struct rj_populated *look, uint64_t first_page,
		       uint64_t count, uint64_t *ret_page)
{
	struct asked asked = { .region = look->region };
	const int rc = ask(&asked, first_page, count, NULL);

	if (rc == FOUND)
		*ret_page = asked.first;
	return rc < 0 ? rc : 0;
}

int rj_populated_look(struct rj_populated *look, uint64_t first_page,
		      uint64_t count, struct rj_bitmap *bm,
		      const char **ret_reason, struct ramjet_error *err)
{
	const enum rj_populated_method method = atomic_load(&look->method);
	struct ramjet_error why = { 0 };
	int rc = 0;

	*ret_reason = "";
	switch (method) {
	case RJ_POPULATED_PAGEMAP_SCAN:
		rc = look_at_pagemap(look, first_page, count, bm, &why);
		break;
	case RJ_POPULATED_SEEK_DATA:
		rc = look_at_file(look, first_page, count, bm, &why);
		break;
	case RJ_POPULATED_UFFD_CONTINUE:
		rc = rj_hugetlb_look(&look->hugetlb, first_page, count, bm,
				     &why);
		break;
	case RJ_POPULATED_ASKED:
		/* Were all of it to count, all of it would be populated. */
		return look_asked(look, first_page, count, bm, err);
	case RJ_POPULATED_ALL:
		(void)rj_bitmap_set_run(bm, first_page, count);
		return 0;
	}
	if (!rc)
		return 0;
	rc = fall_back(look, method, &why, ret_reason, err);
	if (!rc)
		(void)rj_bitmap_set_run(bm, first_page, count);
	return rc;
}

static int first_in_pagemap(struct rj_populated *look, uint64_t first_page,
			    uint64_t count, uint64_t *ret_page)
{
	struct rj_pagescan *scan = rj_scan_pool_take(look->scans, NULL);
	int rc;

	if (!scan)
		return -ENOMEM;
	rc = rj_pagescan_first(scan, &populated,
			       look->region->host +
				       first_page * RAMJET_PAGE_BYTES,
			       count, ret_page, NULL);
	*ret_page += first_page;
	rj_scan_pool_give(look->scans, scan);
	return rc;
}

uint64_t rj_populated_first(struct rj_populated *look, uint64_t first_page,
			    uint64_t count)
{
	const uint64_t end = first_page + count;
	uint64_t page = end;
	int rc = 0;

	switch ((enum rj_populated_method)atomic_load(&look->method)) {
	case RJ_POPULATED_PAGEMAP_SCAN:
		rc = first_in_pagemap(look, first_page, count, &page);
		break;
	case RJ_POPULATED_SEEK_DATA:
		rc = rj_extent_first(look->region, first_page, end, &page,
				     NULL);
		break;
	case RJ_POPULATED_UFFD_CONTINUE:
		rc = rj_hugetlb_first(&look->hugetlb, first_page, count, &page,
				      NULL);
		break;
	case RJ_POPULATED_ASKED:
		rc = first_asked(look, first_page, count, &page);
		break;
	case RJ_POPULATED_ALL:
		return first_page;
	}
	return rc < 0 ? first_page : page;
}

/* ---- at once ----------------------------------------------------------- */

int rj_populated_scan_as(enum rj_populated_method method,
			 const struct ramjet_dirty_region *region,
			 struct rj_bitmap *bm, const char **ret_reason,
			 struct ramjet_error *err)
{
	struct rj_scan_pool scans = { .opened = false };
	struct rj_populated look;
	const char *reason = "";
	int rc;

	*ret_reason = "";
	rc = open_as(&look, method, region, &scans, ret_reason, err);
	if (!rc)
		rc = rj_populated_look(&look, 0, region->page_count, bm,
				       &reason, err);
	if (*reason)
		*ret_reason = reason;
	rj_populated_close(&look);
	rj_scan_pool_close(&scans);
	return rc;
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
