/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_REMOTE_WALK_H
#define RJ_DIRTY_REMOTE_WALK_H
/* A walk through a part of another process's memory that is write-protected
 * (remote_walk.c has the reasoning), in one of two ways. */
#include "dirty/mark_batch.h"
#include "dirty/pagescan.h"
#include "dirty/remote/ranges.h"

struct rj_remote_walk;

/* Told of a run of pages of the block, and what they are: RJ_PAGE_IS_PRESENT,
 * SWAPPED and WRITTEN, and HUGE by take_written(). */
typedef int rj_remote_walk_fn(struct rj_remote_walk *walk, uint64_t first_page,
			      uint64_t count, uint64_t categories,
			      struct ramjet_error *err);

struct rj_remote_ways {
	/* Optional. Tell what was written, protected already. Else it is
	 * protected when tell_all() tells of it. */
	int (*take_written)(struct rj_remote_walk *walk,
			    const struct rj_page_run *pages,
			    rj_remote_walk_fn *fn, struct ramjet_error *err);
	/* Of all pages what they are, in order. */
	int (*tell_all)(struct rj_remote_walk *walk,
			const struct rj_page_run *pages, rj_remote_walk_fn *fn,
			struct ramjet_error *err);
	/* Protect pages of private anonymous memory that are absent. */
	int (*protect_absent)(int uffd, uint64_t address, uint64_t bytes,
			      struct ramjet_error *err);
	/* Is what is not mapped left out? Else it is told as absent. */
	bool tells_gaps;
};
/* Linux 6.7; and what is older. */
extern const struct rj_remote_ways rj_remote_async;
extern const struct rj_remote_ways rj_remote_sync;

struct rj_remote_walk {
	const struct rj_remote_ways *ways;
	int uffd;
	int pagemap_fd;
	int pid;
	struct rj_remote_range *range;
	const struct ramjet_dirty_region *region;
	struct rj_pagescan *scan;
	struct rj_mark_batch *marks;
	bool last; /* only report */
	bool arms; /* only protect */
	/* its own: pages that are mapped, and tracked */
	uint64_t seen;
	uint64_t seen_until;
	/* and of its ways: */
	rj_remote_walk_fn *fn;
	uint64_t first_page;
};

/* Pages [pages->first, pages->first + pages->count) of the block, all in the
 * range. Threads may walk disjoint chunks at once. */
RJ_NODISCARD int rj_remote_walk(struct rj_remote_walk *walk,
				const struct rj_page_run *pages,
				struct ramjet_error *err);
#endif
