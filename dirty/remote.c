/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty tracking in the address space of another process, which neither knows
 * nor helps: by a userfaultfd that was made in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "dirty/pagemap_entries.h"
#include "dirty/remote_walk.h"
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
	/* immutable from start to stop */
	struct rj_remote_ranges ranges;
	const struct ramjet_dirty_region *regions; /* borrowed until stop */
	unsigned region_count;
	uint64_t write_cost_ns;
	/* any thread's */
	struct rj_scan_pool scans;
};

/* ---- tracking ---------------------------------------------------------- */

/* As far as this process may have a userfaultfd of its own. */
static uint64_t measure_cost(void)
{
	struct rj_scan_pool scans = { .opened = false };
	rj_autoclose int uffd = rj_uffd_open(NULL);
	uint64_t ns = 0;

	if (uffd >= 0 && !rj_wp_handshake(uffd, RJ_WP_ASYNC, NULL) &&
	    !rj_scan_pool_open(&scans, NULL) &&
	    rj_wp_try(uffd, &scans, &ns, NULL))
		ns = 0;
	rj_scan_pool_close(&scans);
	return ns;
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
	r->write_cost_ns = measure_cost();
	rc = rj_remote_ranges_start(&r->ranges, r->uffd, r->pid, regions, count,
				    err);
	return rc;
}

static int walk_range(struct remote *r, struct rj_remote_range *range,
		      const struct rj_page_run *pages, uint32_t flags,
		      struct rj_mark_batch *marks, struct ramjet_error *err)
{
	struct rj_remote_walk walk = {
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

	/* What could not be unregistered was unmapped, or its process is gone. */
	(void)rj_remote_ranges_stop(&r->ranges, r->uffd);
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
	if (!rc && known.mode == RAMJET_REMOTE_SYNC)
		rc = rj_fail(err, -EOPNOTSUPP,
			     "remote: synchronous write protection is not "
			     "there yet");
	if (!rc)
		rc = rj_wp_handshake(known.userfaultfd, RJ_WP_ASYNC, err);
	if (!rc)
		rc = ramjet_dirty_new(&remote_ops, r, ret, err);
	if (rc)
		return rc;
	r->uffd = known.userfaultfd;
	(*ret)->last_differs = true;
	(void)rj_steal(user);
	return 0;
}
