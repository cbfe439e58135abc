/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_REMOTE_WALK_H
#define RJ_DIRTY_REMOTE_WALK_H
/* A walk through a part of another process's memory that is write-protected
 * asynchronously (remote_walk.c has the reasoning). */
#include "dirty/mark_batch.h"
#include "dirty/pagescan.h"
#include "dirty/remote_ranges.h"

struct rj_remote_walk {
	int uffd;
	int pid;
	struct rj_remote_range *range;
	const struct ramjet_dirty_region *region;
	struct rj_pagescan *scan;
	struct rj_mark_batch *marks;
	bool last; /* only report */
	bool arms; /* only protect */
	/* its own: */
	uint64_t first_page; /* of the block */
	uint64_t seen;       /* pages that are mapped, and tracked */
	uint64_t seen_until;
};

/* Pages [pages->first, pages->first + pages->count) of the block, all in the
 * range. Threads may walk disjoint chunks at once. */
RJ_NODISCARD int rj_remote_walk(struct rj_remote_walk *walk,
				const struct rj_page_run *pages,
				struct ramjet_error *err);
#endif
