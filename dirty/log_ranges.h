/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_LOG_RANGES_H
#define RJ_DIRTY_LOG_RANGES_H
/* Which bits of a log stand for which pages of which block. */
#include "ramjet-remote.h"
#include "util/compiler.h"

struct rj_log_range {
	/* immutable after rj_log_ranges_init() */
	char *block;
	uint64_t first_page;
	uint64_t page_count;
	uint64_t first_bit;
	/* immutable from start to stop */
	unsigned region;
};

struct rj_log_ranges {
	struct rj_log_range *ranges;
	size_t count;
};

/* -EINVAL or -ENOMEM; then nothing is allocated. */
RJ_NODISCARD int rj_log_ranges_init(struct rj_log_ranges *ranges,
				    const struct ramjet_dirty_log *log,
				    struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_log_ranges_done(struct rj_log_ranges *ranges);
RJ_NODISCARD int rj_log_ranges_place(struct rj_log_ranges *ranges,
				     const struct ramjet_dirty_region *regions,
				     unsigned count, struct ramjet_error *err);
#endif
