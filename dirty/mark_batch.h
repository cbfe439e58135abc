/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_MARK_BATCH_H
#define RJ_DIRTY_MARK_BATCH_H
/*
 * Marks gathered on the way through a part, and merged in one go: what a mark of
 * its own costs is mostly the lock of the bitmap's group, whose cache line
 * threads at neighbouring parts would take from each other.
 */
#include "ramjet-dirty.h"

/* Of 256 MiB, as much as a piece of a collect (decision 029): 8 KiB. */
#define RJ_BATCH_PAGES (UINT64_C(64) << 10)
#define RJ_BATCH_WORDS (RJ_BATCH_PAGES / 64)

struct rj_mark_batch {
	struct ramjet_dirty_sink *sink;
	unsigned region;
	uint64_t first_page; /* a multiple of RJ_BATCH_PAGES */
	/* Words [from, end) may have bits, the others have none; whole chunks. */
	size_t from, end;
	uint64_t words[RJ_BATCH_WORDS];
};

void rj_mark_batch_init(struct rj_mark_batch *batch,
			struct ramjet_dirty_sink *sink, unsigned region);
/* As ramjet_dirty_mark(), sooner or later. */
void rj_mark_batch_add(struct rj_mark_batch *batch, uint64_t first_page,
		       uint64_t page_count);
/* Now. */
void rj_mark_batch_flush(struct rj_mark_batch *batch);
#endif
