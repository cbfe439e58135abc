/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_REMOTE_RANGES_H
#define RJ_DIRTY_REMOTE_RANGES_H
/* Where another process has the memory of blocks, and what kind of memory it is
 * there. */
#include "dirty/extent.h"
#include "dirty/remote/sent_map.h"
#include "ramjet-remote.h"

struct rj_remote_range {
	/* immutable after rj_remote_ranges_init() */
	char *block;
	uint64_t first_page; /* of the block */
	uint64_t wanted;     /* pages; 0: up to the block's end */
	uint64_t address;    /* in that process */
	/* immutable from start to stop */
	unsigned region;
	uint64_t page_count;
	enum rj_backing backing;
	bool is_hugetlb;
	uint64_t unit; /* bytes; what is protected as a whole */
	struct rj_sent_map sent;
};

struct rj_remote_ranges {
	struct rj_remote_range *ranges;
	size_t count;
	size_t registered; /* ranges [0, registered) are */
};

/* -EINVAL or -ENOMEM; then nothing is allocated. */
RJ_NODISCARD int rj_remote_ranges_init(struct rj_remote_ranges *ranges,
				       const struct ramjet_dirty_remote *remote,
				       struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_remote_ranges_done(struct rj_remote_ranges *ranges);

/* Find the ranges' regions, and register them for write protection; none is
 * protected. */
RJ_NODISCARD int rj_remote_ranges_start(
	struct rj_remote_ranges *ranges, int uffd, int pid,
	const struct ramjet_dirty_region *regions, unsigned count,
	struct ramjet_error *err);
/* Also after a failed start. 0, or the negative errno of the first that could
 * not be unregistered. */
int rj_remote_ranges_stop(struct rj_remote_ranges *ranges, int uffd);

/* Its pages [ret->first, ret->first + ret->count) of the block are in the part;
 * false: none. */
bool rj_remote_range_of_part(const struct rj_remote_range *range,
			     const struct ramjet_dirty_part *part,
			     struct rj_page_run *ret);
/* -EFAULT: not all of these pages are mapped in the process. */
RJ_COLD int rj_remote_unmapped(const struct rj_remote_range *range,
			       const struct rj_page_run *pages, int pid,
			       struct ramjet_error *err);
/* Where it has this page of the block. */
uint64_t rj_remote_address(const struct rj_remote_range *range, uint64_t page);
#endif
