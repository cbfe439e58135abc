/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty tracking without help from KVM or the VMM: userfaultfd write
 * protection in its asynchronous mode, where the kernel itself lifts the
 * protection at the first write, and PAGEMAP_SCAN, which reports the pages
 * that have lost it and protects them again in one step (Linux 6.7).
 *
 * A page counts as written when its page table entry carries no protection.
 * So there is nothing to do for pages that are absent: whoever touches one
 * gets an entry without it. What is left are entries that vanish, and with
 * them the knowledge that they were written:
 *
 * - Private memory: an entry vanishes only with its content (MADV_DONTNEED,
 *   MADV_FREE), which the VMM reports with ramjet_guest_discard(). Swapping
 *   keeps the entry.
 * - Shared memory: entries vanish whenever the kernel sees fit (reclaim, the
 *   splitting of a huge page), the content lives on in the file. So a page
 *   that is absent here but has data in the file counts as written. Absent
 *   pages that were never written must not: pages with data get an entry that
 *   says "absent and protected" when they are armed, and any later one gets it
 *   when it is reported. Holes get none, so sparse memory costs no page tables.
 *
 * Writes through other mappings of the same file, of this process or of
 * others, are not seen (but for the first one to a page that was a hole).
 *
 * Memory is registered at start, which takes no time, and walked by parts: once
 * to protect what there is (arm), then by each collect. Threads walk disjoint
 * parts at once. The last collect, with the guest stopped, only looks: what it
 * reports stays unprotected, and is reported again if the guest runs on.
 */
#include <errno.h>
#include <stdlib.h>

#include "dirty/extent.h"
#include "dirty/mark_batch.h"
#include "dirty/source.h"
#include "dirty/uffd.h"
#include "dirty/write_protect.h"
#include "util/cleanup.h"
#include "util/error.h"

struct pagemap {
	/* immutable from start to stop */
	int uffd;
	const struct ramjet_dirty_region *regions; /* borrowed until stop */
	enum rj_backing *backing;                  /* of each region */
	unsigned count;
	uint64_t write_cost_ns;
	/* any thread's */
	struct rj_scan_pool scans;
};

/* A walk through a part of a region. */
struct walk {
	struct pagemap *p;
	struct rj_pagescan *scan;
	unsigned region;
	bool last;           /* only report */
	bool arms;           /* only protect */
	uint64_t first_page; /* of the part */
	struct rj_mark_batch marks;
};

/* ---- setting up -------------------------------------------------------- */

static int attach(struct pagemap *p, struct ramjet_error *err)
{
	int rc;

	p->uffd = rj_uffd_open(err);
	if (p->uffd < 0)
		return p->uffd;
	rc = rj_wp_handshake(p->uffd, RJ_WP_ASYNC, err);
	return rc ? rc : rj_scan_pool_open(&p->scans, err);
}

static uint64_t address_of(const struct ramjet_dirty_region *region,
			   uint64_t page)
{
	return (uintptr_t)region->host + page * RAMJET_PAGE_BYTES;
}

static int enlist(struct pagemap *p, const struct ramjet_dirty_region *region,
		  struct ramjet_error *err)
{
	int rc = rj_wp_register(p->uffd, address_of(region, 0),
				region->page_count * RAMJET_PAGE_BYTES, NULL);

	if (rc == -EBUSY)
		return rj_fail(err, rc,
			       "block %s: its memory is registered with "
			       "another userfaultfd already",
			       region->name);
	if (rc)
		return rj_fail_errno(err, rc,
				     "block %s: userfaultfd does not take its "
				     "memory for write protection",
				     region->name);
	return 0;
}

/* ---- walking ----------------------------------------------------------- */

static bool is_shared(const struct walk *w)
{
	enum rj_backing backing = w->p->backing[w->region];

	return backing == RJ_BACKING_SHARED_FD ||
	       backing == RJ_BACKING_SHARED_OTHER;
}

static void report(struct walk *w, uint64_t first, uint64_t count)
{
	if (!w->arms)
		rj_mark_batch_add(&w->marks, first, count);
}

/* Give absent pages an entry that says "protected". */
static int protect(struct walk *w, uint64_t first, uint64_t count,
		   struct ramjet_error *err)
{
	return rj_wp_protect(w->p->uffd,
			     address_of(&w->p->regions[w->region], first),
			     count * RAMJET_PAGE_BYTES, err);
}

/* Protect first, then report: a write in between is in what is reported. */
static int protect_and_report(struct walk *w, uint64_t first, uint64_t count,
			      struct ramjet_error *err)
{
	int rc = w->last ? 0 : protect(w, first, count, err);

	if (!rc)
		report(w, first, count);
	return rc;
}

/*
 * Protected already, by the scan. But a huge page of a file would stay one,
 * be dropped as a whole when it is written, come back unprotected, and count
 * as a whole, every time: protected once more it is split.
 */
static int on_written(void *user, uint64_t first, uint64_t count,
		      struct ramjet_error *err)
{
	struct walk *w = user;

	first += w->first_page;
	if (w->scan->categories & RJ_PAGE_IS_HUGE && is_shared(w))
		return protect_and_report(w, first, count, err);
	report(w, first, count);
	return 0;
}

static int on_absent(void *user, uint64_t first, uint64_t count,
		     struct ramjet_error *err)
{
	struct walk *w = user;
	const struct ramjet_dirty_region *region = &w->p->regions[w->region];
	uint64_t end, data;
	int rc;

	first += w->first_page;
	end = first + count;
	if (w->p->backing[w->region] != RJ_BACKING_SHARED_FD)
		return protect_and_report(w, first, count, err);
	while ((rc = rj_extent_next(region, first, end, &data, &first, err)) >
	       0) {
		rc = protect_and_report(w, data, first - data, err);
		if (rc)
			return rc;
	}
	return rc;
}

/* Of shared memory, in the last collect. */
static int on_any(void *user, uint64_t first, uint64_t count,
		  struct ramjet_error *err)
{
	struct walk *w = user;

	if (!(w->scan->categories & (RJ_PAGE_IS_PRESENT | RJ_PAGE_IS_SWAPPED)))
		return on_absent(user, first, count, err);
	if (w->scan->categories & RJ_PAGE_IS_WRITTEN)
		report(w, w->first_page + first, count);
	return 0;
}

static int scan(struct walk *w, const struct rj_pagescan_query *query,
		uint64_t page_count, rj_pagescan_fn *fn,
		struct ramjet_error *err)
{
	const uint8_t *host = w->p->regions[w->region].host +
			      w->first_page * RAMJET_PAGE_BYTES;

	return rj_pagescan_run(w->scan, query, host, page_count, fn, w, err);
}

/*
 * Report and protect all that was written. An entry that vanishes between
 * the two scans is found by the second: so it comes second.
 */
static int walk_and_protect(struct walk *w, uint64_t page_count,
			    struct ramjet_error *err)
{
	static const struct rj_pagescan_query absent = {
		.flags = RJ_PM_SCAN_CHECK_WPASYNC,
		.inverted = RJ_PAGE_IS_PRESENT | RJ_PAGE_IS_SWAPPED,
		.mask = RJ_PAGE_IS_PRESENT | RJ_PAGE_IS_SWAPPED,
	};
	int rc = scan(w, &rj_wp_written_and_protect, page_count, on_written,
		      err);

	if (!rc && is_shared(w))
		rc = scan(w, &absent, page_count, on_absent, err);
	return rc;
}

/* Only report: each entry is looked at once, so that one scan does. */
static int walk_and_look(struct walk *w, uint64_t page_count,
			 struct ramjet_error *err)
{
	static const struct rj_pagescan_query written = {
		.flags = RJ_PM_SCAN_CHECK_WPASYNC,
		.mask = RJ_PAGE_IS_WRITTEN,
		.anyof = RJ_PAGE_IS_PRESENT | RJ_PAGE_IS_SWAPPED,
	};
	/* Absent or written; what is swapped and protected is told as well. */
	static const struct rj_pagescan_query any = {
		.flags = RJ_PM_SCAN_CHECK_WPASYNC,
		.inverted = RJ_PAGE_IS_PRESENT,
		.anyof = RJ_PAGE_IS_PRESENT | RJ_PAGE_IS_WRITTEN,
		.told = RJ_PAGE_IS_PRESENT | RJ_PAGE_IS_SWAPPED |
			RJ_PAGE_IS_WRITTEN,
	};

	return is_shared(w) ? scan(w, &any, page_count, on_any, err)
			    : scan(w, &written, page_count, on_written, err);
}

/* `sink` NULL: only protect. */
static int walk_part(struct pagemap *p, const struct ramjet_dirty_part *part,
		     struct ramjet_dirty_sink *sink, struct ramjet_error *err)
{
	struct walk w;
	int rc;

	w.p = p;
	w.scan = rj_scan_pool_take(&p->scans, err);
	if (!w.scan)
		return -ENOMEM;
	w.region = part->region;
	w.last = part->flags & RAMJET_DIRTY_LAST;
	w.arms = !sink;
	w.first_page = part->first_page;
	rj_mark_batch_init(&w.marks, sink, part->region);
	rc = w.last ? walk_and_look(&w, part->page_count, err)
		    : walk_and_protect(&w, part->page_count, err);
	rj_mark_batch_flush(&w.marks);
	rj_scan_pool_give(&p->scans, w.scan);
	if (rc)
		rj_error_prefix(err, "block %s", p->regions[part->region].name);
	return rc;
}

/* ---- the source -------------------------------------------------------- */

static int pagemap_start(void *user, const struct ramjet_dirty_region *regions,
			 unsigned count, struct ramjet_error *err)
{
	struct pagemap *p = user;
	int rc = attach(p, err);

	if (rc)
		return rc;
	p->backing = calloc(count ? count : 1, sizeof(*p->backing));
	if (!p->backing)
		return rj_fail(err, -ENOMEM, "pagemap: out of memory");
	rc = rj_wp_try(p->uffd, &p->scans, &p->write_cost_ns, err);
	p->regions = regions;
	for (; !rc && p->count < count; p->count++) {
		if (!regions[p->count].host)
			return rj_fail(err, -EINVAL,
				       "pagemap: block %s is not mapped here",
				       regions[p->count].name);
		p->backing[p->count] = rj_backing_of(&regions[p->count]);
		rc = enlist(p, &regions[p->count], err);
	}
	return rc;
}

static int pagemap_arm(void *user, const struct ramjet_dirty_part *part,
		       struct ramjet_error *err)
{
	return walk_part(user, part, NULL, err);
}

static int pagemap_collect_part(void *user,
				const struct ramjet_dirty_part *part,
				struct ramjet_dirty_sink *sink,
				struct ramjet_error *err)
{
	return walk_part(user, part, sink, err);
}

static int pagemap_collect(void *user, struct ramjet_dirty_sink *sink,
			   struct ramjet_error *err)
{
	struct pagemap *p = user;
	int rc = 0;

	for (unsigned i = 0; !rc && i < p->count; i++) {
		const struct ramjet_dirty_part all = {
			.size = sizeof(all),
			.region = i,
			.page_count = p->regions[i].page_count,
		};

		rc = walk_part(p, &all, sink, err);
	}
	return rc;
}

static void pagemap_stop(void *user)
{
	struct pagemap *p = user;

	/* Closing unregisters the memory and lifts the protection. */
	rj_close_fd(&p->uffd);
	rj_scan_pool_close(&p->scans);
	free(p->backing);
	*p = (struct pagemap){ .uffd = -1 };
}

static uint64_t pagemap_write_cost_ns(void *user)
{
	const struct pagemap *p = user;

	return p->write_cost_ns;
}

static const struct ramjet_dirty_ops pagemap_ops = {
	RAMJET_DIRTY_OPS_INIT,
	.name = "pagemap",
	.start = pagemap_start,
	.collect = pagemap_collect,
	.stop = pagemap_stop,
	.free = free,
	.write_cost_ns = pagemap_write_cost_ns,
	.collect_part = pagemap_collect_part,
	.arm = pagemap_arm,
};

bool rj_dirty_is_pagemap(const struct ramjet_dirty_source *source)
{
	return source->ops.start == pagemap_start;
}

RAMJET_API int ramjet_dirty_pagemap_new(struct ramjet_dirty_source **ret,
					struct ramjet_error *err)
{
	rj_autofree struct pagemap *p = malloc(sizeof(*p));
	int rc;

	if (!p)
		return rj_fail(err, -ENOMEM, "pagemap: out of memory");
	*p = (struct pagemap){ .uffd = -1 };
	rc = ramjet_dirty_new(&pagemap_ops, p, ret, err);
	if (rc)
		return rc;
	(void)rj_steal(p);
	(*ret)->last_differs = true;
	return 0;
}
