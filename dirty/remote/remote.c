/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty tracking in the address space of another process, which neither knows
 * nor helps: by a userfaultfd that was made in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "dirty/mappings.h"
#include "dirty/pagemap_entries.h"
#include "dirty/remote/kernel_faults.h"
#include "dirty/remote/lifter.h"
#include "dirty/remote/walk.h"
#include "dirty/source.h"
#include "dirty/uffd.h"
#include "dirty/write_protect.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/options.h"

struct remote {
	/* immutable after ramjet_dirty_remote_new() */
	int uffd;
	int pagemap_fd;
	int pid;
	const struct rj_remote_ways *ways;
	/* immutable from start to stop */
	struct rj_remote_ranges ranges;
	const struct ramjet_dirty_region *regions; /* borrowed until stop */
	unsigned region_count;
	uint64_t write_cost_ns;
	struct rj_lifter lifter; /* of the synchronous way */
	/* any thread's */
	struct rj_scan_pool scans;
};

/* ---- tracking ---------------------------------------------------------- */

static bool is_sync(const struct remote *r)
{
	return r->ways == &rj_remote_sync;
}

static uint64_t unit_of_trial(RJ_UNUSED const void *user,
			      RJ_UNUSED uint64_t address)
{
	return RAMJET_PAGE_BYTES;
}

static uint64_t cost_of_sync(int uffd)
{
	struct rj_lifter lifter;
	uint64_t ns = 0;

	if (rj_wp_handshake(uffd, RJ_WP_SYNC, NULL) ||
	    rj_lifter_start(&lifter, uffd, unit_of_trial, NULL, NULL))
		return 0;
	if (rj_wp_try(uffd, NULL, &ns, NULL))
		ns = 0;
	rj_lifter_stop(&lifter);
	return ns;
}

static uint64_t cost_of_async(int uffd)
{
	struct rj_scan_pool scans = { .opened = false };
	uint64_t ns = 0;

	if (!rj_wp_handshake(uffd, RJ_WP_ASYNC, NULL) &&
	    !rj_scan_pool_open(&scans, NULL) &&
	    rj_wp_try(uffd, &scans, &ns, NULL))
		ns = 0;
	rj_scan_pool_close(&scans);
	return ns;
}

/* As far as this process may have a userfaultfd of its own. */
static uint64_t measure_cost(const struct remote *r)
{
	rj_autoclose int uffd = rj_uffd_open(NULL);

	if (uffd < 0)
		return 0;
	return is_sync(r) ? cost_of_sync(uffd) : cost_of_async(uffd);
}

static uint64_t unit_at(const void *user, uint64_t address)
{
	const struct remote *r = user;

	for (size_t i = 0; i < r->ranges.count; i++) {
		const struct rj_remote_range *range = &r->ranges.ranges[i];

		if (address >= range->address &&
		    address - range->address <
			    range->page_count * RAMJET_PAGE_BYTES)
			return range->unit;
	}
	return RAMJET_PAGE_BYTES;
}

static bool any(RJ_UNUSED void *user,
		RJ_UNUSED const struct rj_mapping *mapping)
{
	return true;
}

/* The pagemap calls absent what is not mapped; so maps must be readable. (Absent
 * pages of memory of which nothing is known could not be kept from being reported
 * each time, either.) */
static int check_mapped(const struct remote *r, struct ramjet_error *err)
{
	for (size_t i = 0; i < r->ranges.count; i++) {
		const struct rj_remote_range *range = &r->ranges.ranges[i];
		const struct rj_page_run all = { range->first_page,
						 range->page_count };

		const int rc = rj_mappings_of_process(
			r->pid, range->address,
			rj_remote_address(range, all.first + all.count), any,
			NULL);

		if (rc > 0)
			continue;
		if (rc)
			return rj_fail_errno(err, rc,
					     "block %s: the mappings of "
					     "process %d",
					     range->block, r->pid);
		(void)rj_remote_unmapped(range, &all, r->pid, err);
		rj_error_prefix(err, "block %s", range->block);
		return -EFAULT;
	}
	return 0;
}

static int begin_lifting(struct remote *r, struct ramjet_error *err)
{
	int rc = check_mapped(r, err);

	if (!rc)
		rc = rj_lifter_start(&r->lifter, r->uffd, unit_at, r, err);
	if (rc)
		return rc;
	return rj_kernel_faults_try(&r->lifter, r->pagemap_fd, r->pid,
				    &r->ranges.ranges[0], err);
}

static int remote_start(void *user, const struct ramjet_dirty_region *regions,
			unsigned count, struct ramjet_error *err)
{
	struct remote *r = user;
	int rc = rj_scan_pool_open_at(&r->scans, r->pagemap_fd, err);

	if (rc)
		return rc;
	r->regions = regions;
	r->region_count = count;
	r->write_cost_ns = measure_cost(r);
	rc = rj_remote_ranges_start(&r->ranges, r->uffd, r->pid, regions, count,
				    err);
	if (!rc && is_sync(r))
		rc = begin_lifting(r, err);
	return rc;
}

static int walk_range(struct remote *r, struct rj_remote_range *range,
		      const struct rj_page_run *pages, uint32_t flags,
		      struct rj_mark_batch *marks, struct ramjet_error *err)
{
	struct rj_remote_walk walk = {
		.ways = r->ways,
		.pagemap_fd = r->pagemap_fd,
		.uffd = r->uffd,
		.pid = r->pid,
		.range = range,
		.region = &r->regions[range->region],
		.scan = rj_scan_pool_take(&r->scans, err),
		.marks = marks,
		.last = flags & RAMJET_DIRTY_LAST,
		.arms = !marks->sink,
	};
	int rc;

	if (!walk.scan)
		return -ENOMEM;
	rc = rj_remote_walk(&walk, pages, err);
	rj_scan_pool_give(&r->scans, walk.scan);
	return rc;
}

/* What went wrong, or that the process has ended, which comes first. */
static int walk_failed(const struct remote *r,
		       const struct ramjet_dirty_part *part, int rc,
		       struct ramjet_error *err)
{
	if (rj_pagemap_entries_alive(r->pagemap_fd, NULL) == -ESRCH) {
		rj_error_clear(err);
		rc = rj_fail(err, -ESRCH, "process %d is gone", r->pid);
	}
	rj_error_prefix(err, "block %s", r->regions[part->region].name);
	return rc;
}

/* `sink` NULL: only protect. */
static int walk_part(struct remote *r, const struct ramjet_dirty_part *part,
		     struct ramjet_dirty_sink *sink, struct ramjet_error *err)
{
	struct rj_mark_batch marks;
	struct rj_page_run pages;
	int rc = 0;

	rj_mark_batch_init(&marks, sink, part->region);
	for (size_t i = 0; !rc && i < r->ranges.count; i++)
		if (rj_remote_range_of_part(&r->ranges.ranges[i], part, &pages))
			rc = walk_range(r, &r->ranges.ranges[i], &pages,
					part->flags, &marks, err);
	rj_mark_batch_flush(&marks);
	return rc ? walk_failed(r, part, rc, err) : 0;
}

static int remote_arm(void *user, const struct ramjet_dirty_part *part,
		      struct ramjet_error *err)
{
	return walk_part(user, part, NULL, err);
}

static int remote_collect_part(void *user, const struct ramjet_dirty_part *part,
			       struct ramjet_dirty_sink *sink,
			       struct ramjet_error *err)
{
	return walk_part(user, part, sink, err);
}

static int remote_collect(void *user, struct ramjet_dirty_sink *sink,
			  struct ramjet_error *err)
{
	struct remote *r = user;
	int rc = 0;

	for (unsigned i = 0; !rc && i < r->region_count; i++) {
		const struct ramjet_dirty_part all = {
			.size = sizeof(all),
			.region = i,
			.page_count = r->regions[i].page_count,
		};

		rc = walk_part(r, &all, sink, err);
	}
	return rc;
}

static int remote_collect_begin(void *user, uint32_t flags,
				struct ramjet_error *err)
{
	struct remote *r = user;
	/* Acquire: pairs with the thread's end. */
	const int failure =
		atomic_load_explicit(&r->lifter.failure, memory_order_acquire);

	if (rj_pagemap_entries_alive(r->pagemap_fd, NULL) == -ESRCH)
		return rj_fail(err, -ESRCH, "block %s: process %d is gone",
			       r->ranges.ranges[0].block, r->pid);
	if (failure)
		return rj_fail_errno(err, failure,
				     "the userfaultfd of process %d", r->pid);
	/* Not while the guest stands still: who reads such a page is told. */
	return flags & RAMJET_DIRTY_LAST ? 0 : check_mapped(r, err);
}

/* About to be read: what is discarded from now on is to be reported. */
static int remote_rearm(void *user, unsigned region, uint64_t first_page,
			const uint64_t *words, size_t count,
			RJ_UNUSED struct ramjet_error *err)
{
	struct remote *r = user;

	for (size_t i = 0; i < r->ranges.count; i++) {
		struct rj_remote_range *range = &r->ranges.ranges[i];

		if (range->region == region)
			rj_sent_map_add(&range->sent, first_page, words, count);
	}
	return 0;
}

static void remote_stop(void *user)
{
	struct remote *r = user;
	/* Before the thread ends: afterwards nobody is to wait. */
	const int rc = rj_remote_ranges_stop(&r->ranges, r->uffd);
	const bool lifting = r->lifter.running;

	/* Not closed before: the thread may be about to read from it. */
	rj_lifter_stop(&r->lifter);
	/* What could not be unregistered was unmapped, or its process is gone;
	 * but nobody must wait for ever, whatever the reason. */
	if (rc && rc != -ESRCH && lifting)
		rj_close_fd(&r->uffd);
	rj_scan_pool_close(&r->scans);
}

static uint64_t remote_write_cost_ns(void *user)
{
	const struct remote *r = user;

	return r->write_cost_ns;
}

/* ---- the source -------------------------------------------------------- */

static void remote_free(void *user)
{
	struct remote *r = user;

	rj_remote_ranges_done(&r->ranges);
	rj_close_fd(&r->uffd);
	rj_close_fd(&r->pagemap_fd);
	free(r);
}
RJ_DEFINE_CLEANUP(void *, remote_free);

static const struct ramjet_dirty_ops remote_ops = {
	RAMJET_DIRTY_OPS_INIT,
	.name = "remote",
	.start = remote_start,
	.collect = remote_collect,
	.rearm = remote_rearm,
	.stop = remote_stop,
	.free = remote_free,
	.write_cost_ns = remote_write_cost_ns,
	.collect_part = remote_collect_part,
	.arm = remote_arm,
};

static const struct ramjet_dirty_ops remote_sync_ops = {
	RAMJET_DIRTY_OPS_INIT,
	.name = "remote, synchronous",
	.start = remote_start,
	.collect = remote_collect,
	.rearm = remote_rearm,
	.stop = remote_stop,
	.free = remote_free,
	.write_cost_ns = remote_write_cost_ns,
	.collect_part = remote_collect_part,
	.arm = remote_arm,
	.collect_begin = remote_collect_begin,
};

static int check(const struct ramjet_dirty_remote *remote,
		 struct ramjet_error *err)
{
	if (remote->userfaultfd < 0 || remote->pagemap_fd < 0)
		return rj_fail(err, -EINVAL,
			       "remote: userfaultfd is %d and pagemap_fd %d, "
			       "two descriptors are wanted",
			       remote->userfaultfd, remote->pagemap_fd);
	if (remote->mode > RAMJET_REMOTE_SYNC)
		return rj_fail(err, -EINVAL,
			       "remote: mode is %u, one of enum "
			       "ramjet_remote_mode is wanted",
			       remote->mode);
	return 0;
}

/* All but the userfaultfd. */
static int fill(struct remote *r, const struct ramjet_dirty_remote *remote,
		struct ramjet_error *err)
{
	r->pid = remote->pid;
	r->pagemap_fd = fcntl(remote->pagemap_fd, F_DUPFD_CLOEXEC, 0);
	if (r->pagemap_fd < 0)
		return rj_fail_errno(err, -errno, "remote: pagemap_fd");
	return rj_remote_ranges_init(&r->ranges, remote, err);
}

/* The way, by what the kernel can. */
static int choose(struct remote *r, const struct ramjet_dirty_remote *remote,
		  struct ramjet_error *err)
{
	int rc = -EOPNOTSUPP;

	r->ways = &rj_remote_async;
	if (remote->mode != RAMJET_REMOTE_SYNC)
		rc = rj_wp_handshake(remote->userfaultfd, RJ_WP_ASYNC, err);
	if (rc != -EOPNOTSUPP || remote->mode == RAMJET_REMOTE_ASYNC)
		return rc;
	rj_error_clear(err);
	r->ways = &rj_remote_sync;
	return rj_wp_handshake(remote->userfaultfd, RJ_WP_SYNC, err);
}

RAMJET_API int ramjet_dirty_remote_new(const struct ramjet_dirty_remote *remote,
				       struct ramjet_dirty_source **ret,
				       struct ramjet_error *err)
{
	const size_t least = offsetof(struct ramjet_dirty_remote, range_count) +
			     sizeof(remote->range_count);
	struct ramjet_dirty_remote known = { RAMJET_DIRTY_REMOTE_INIT };
	rj_cleanup(remote_freep) void *user = NULL;
	struct remote *r;
	int rc;

	rc = rj_options_copy("remote", &known, sizeof(known), least, remote,
			     err);
	if (!rc)
		rc = check(&known, err);
	if (rc)
		return rc;
	user = r = calloc(1, sizeof(*r));
	if (!r)
		return rj_fail(err, -ENOMEM, "remote: out of memory");
	r->uffd = r->pagemap_fd = -1;
	rc = fill(r, &known, err);
	if (!rc)
		rc = choose(r, &known, err);
	if (!rc)
		rc = ramjet_dirty_new(is_sync(r) ? &remote_sync_ops
						 : &remote_ops,
				      r, ret, err);
	if (rc)
		return rc;
	r->uffd = known.userfaultfd;
	(*ret)->last_differs = true;
	(void)rj_steal(user);
	return 0;
}
