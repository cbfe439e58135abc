/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_HELD_H
#define RJ_DIRTY_HELD_H
/*
 * Marks that nobody may act on yet: a map a region, in which a collect marks
 * until all sources have settled, and from which what it found then goes to
 * where it belongs. Why: source.h, rj_dirty_set_settle().
 */
#include "dirty/bitmap.h"
#include "ramjet-dirty.h"

struct rj_held {
	struct rj_bitmap *maps; /* NULL: none */
	struct rj_bitmap **sinks;
	unsigned count;
};

RJ_NODISCARD int rj_held_init(struct rj_held *held,
			      const struct ramjet_dirty_region *regions,
			      unsigned count, struct ramjet_error *err);
/* Move all marks into bitmaps[region]. Nobody marks meanwhile. Returns how many
 * pages were newly set there. */
uint64_t rj_held_release(struct rj_held *held,
			 struct rj_bitmap *const *bitmaps);
/* Safe on a zeroed struct. */
void rj_held_done(struct rj_held *held);
#endif
