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
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dirty/extent.h"
#include "dirty/mark_batch.h"
#include "dirty/pagescan.h"
#include "dirty/source.h"
#include "dirty/uffd.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

#define FEATURES_WANTED                                           \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_ASYNC | \
	 UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_HUGETLBFS_SHMEM)

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

/* The handshake failed: find out what this kernel does not offer. */
static int features_missing(int rc, struct ramjet_error *err)
{
	struct uffdio_api api = { .api = UFFD_API };
	rj_autoclose int fd = rj_uffd_open(NULL);

	if (fd >= 0 && !ioctl(fd, UFFDIO_API, &api) &&
	    ~api.features & FEATURES_WANTED)
		return rj_fail(
			err, -EOPNOTSUPP,
			"userfaultfd: this kernel lacks the features "
			"%#llx, asynchronous write protection (Linux "
			"6.7) is wanted",
			(unsigned long long)(~api.features & FEATURES_WANTED));
	return rj_fail_errno(err, rc, "userfaultfd: UFFDIO_API");
}

static int attach(struct pagemap *p, struct ramjet_error *err)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = FEATURES_WANTED };

	p->uffd = rj_uffd_open(err);
	if (p->uffd < 0)
		return p->uffd;
	if (ioctl(p->uffd, UFFDIO_API, &api))
		return features_missing(-errno, err);
	return rj_scan_pool_open(&p->scans, err);
}

static struct uffdio_range range_of(const struct ramjet_dirty_region *region,
				    uint64_t first, uint64_t count)
{
	return (struct uffdio_range){
		.start = (uintptr_t)region->host + first * RAMJET_PAGE_BYTES,
		.len = count * RAMJET_PAGE_BYTES,
	};
}

static int enlist(struct pagemap *p, const struct ramjet_dirty_region *region,
		  struct ramjet_error *err)
{
	struct uffdio_register reg = {
		.range = range_of(region, 0, region->page_count),
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	int rc = ioctl(p->uffd, UFFDIO_REGISTER, &reg) ? -errno : 0;

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

/* What was written, which is protected on the way. */
static const struct rj_pagescan_query protecting = {
	.flags = RJ_PM_SCAN_WP_MATCHING | RJ_PM_SCAN_CHECK_WPASYNC,
	.mask = RJ_PAGE_IS_WRITTEN,
	.anyof = RJ_PAGE_IS_PRESENT | RJ_PAGE_IS_SWAPPED,
	.told = RJ_PAGE_IS_HUGE,
};

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
	const struct ramjet_dirty_region *region = &w->p->regions[w->region];
	struct uffdio_writeprotect wp = {
		.range = range_of(region, first, count),
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int rc;

	/* EAGAIN: the address space is being changed right now. */
	do {
		rc = ioctl(w->p->uffd, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
	} while (rc == -EAGAIN || rc == -EINTR);
	if (rc)
		return rj_fail_errno(err, rc,
				     "UFFDIO_WRITEPROTECT of %llu pages at "
				     "page %llu",
				     (unsigned long long)count,
				     (unsigned long long)first);
	return 0;
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
	int rc = scan(w, &protecting, page_count, on_written, err);

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

#define TRIAL_PAGES 256u

/* One byte a page of the trial memory; nanoseconds it took. */
static uint64_t touch_all(uint8_t *memory)
{
	const uint64_t began = rj_now_ns();

	for (unsigned i = 0; i < TRIAL_PAGES; i++)
		*(volatile uint8_t *)&memory[i * RAMJET_PAGE_BYTES] = 1;
	return rj_now_ns() - began;
}

/*
 * What tracking costs the guest: the first write to a protected page against
 * another to the same page, tried on memory of our own. -EOPNOTSUPP where the
 * kernel cannot protect by PAGEMAP_SCAN.
 */
static int try_it(struct pagemap *p, uint8_t *memory, struct ramjet_error *err)
{
	const struct ramjet_dirty_region region = {
		.name = "trial",
		.host = memory,
		.page_count = TRIAL_PAGES,
	};
	uint64_t first_ns, again_ns;
	struct rj_pagescan *scan;
	int rc;

	(void)touch_all(memory);
	if (enlist(p, &region, NULL))
		return 0;
	scan = rj_scan_pool_take(&p->scans, err);
	if (!scan)
		return -ENOMEM;
	rc = rj_pagescan_run(scan, &protecting, memory, TRIAL_PAGES, NULL, NULL,
			     err);
	rj_scan_pool_give(&p->scans, scan);
	if (rc)
		return rc;
	first_ns = touch_all(memory);
	again_ns = touch_all(memory);
	if (first_ns > again_ns)
		p->write_cost_ns = (first_ns - again_ns) / TRIAL_PAGES;
	return 0;
}

static int try_on_own_memory(struct pagemap *p, struct ramjet_error *err)
{
	const size_t bytes = TRIAL_PAGES * (size_t)RAMJET_PAGE_BYTES;
	uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	if (memory == MAP_FAILED)
		return rj_fail_errno(err, -errno, "pagemap: memory to try");
	rc = try_it(p, memory, err);
	(void)munmap(memory, bytes);
	return rc;
}

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
	rc = try_on_own_memory(p, err);
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
