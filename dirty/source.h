/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_SOURCE_H
#define RJ_DIRTY_SOURCE_H
/*
 * The dirty-source seam. Built-in sources are made of the same public
 * `struct ramjet_dirty_ops` that a VMM would write; this header is how the
 * engine drives any of them. One `rj_dirty_set` per migration OR-s several.
 */
#include "dirty/bitmap.h"
#include "dirty/held.h"
#include "ramjet-dirty.h"
#include "util/crew.h"

/* Where collect() marks: one bitmap per region, of the round being filled. */
struct ramjet_dirty_sink {
	struct rj_bitmap *const *bitmaps;
	const struct ramjet_dirty_region *regions;
	unsigned count;
	uint64_t marked;       /* newly set bits so far */
	uint64_t out_of_range; /* marks refused; a broken source */
};

struct ramjet_dirty_source {
	struct ramjet_dirty_ops ops;
	void *user;
	bool taken; /* by a guest, which frees it */
	/* Its last collect works otherwise than those before (rehearsal.h). */
	bool last_differs;
};

/* ramjet_dirty_free() by whoever has taken it. */
void rj_dirty_destroy(struct ramjet_dirty_source *source);

/* Made by ramjet_dirty_pagemap_new()? While it tracks, its userfaultfd is the
 * only one that has registered the regions: the kernel allows no second. */
bool rj_dirty_is_pagemap(const struct ramjet_dirty_source *source);

struct rj_dirty_set {
	struct ramjet_dirty_source **sources; /* borrowed */
	unsigned source_count;
	unsigned started; /* sources [0, started) are tracking */
	const struct ramjet_dirty_region *regions;
	unsigned region_count;
	uint64_t piece_pages;   /* whole chunks */
	uint64_t *pieces_until; /* of each region and those before it */
	struct rj_held held;    /* where a source settles */
	/* Of the latest collect: in sources to which the last one is as any
	 * other. */
	uint64_t alike_ns;
	/* Of the latest collect, how long it took to settle. */
	uint64_t settled_ns;
};

/* How to collect. */
struct rj_dirty_walk {
	bool last;            /* RAMJET_DIRTY_LAST */
	struct rj_crew *crew; /* who walks; NULL: the caller alone */
};

/* All start or none: those started are stopped on failure. `regions` and
 * `sources` are borrowed until rj_dirty_set_stop(). */
RJ_NODISCARD int rj_dirty_set_start(struct rj_dirty_set *set,
				    struct ramjet_dirty_source **sources,
				    unsigned source_count,
				    const struct ramjet_dirty_region *regions,
				    unsigned region_count,
				    struct ramjet_error *err);
/* OR what was written into bitmaps[region]. `walk` NULL: all of it, alone. *ret_marked: newly set bits.
 * A mark out of range is -ERANGE (the source is broken; nothing is lost). */
RJ_NODISCARD int rj_dirty_set_collect(struct rj_dirty_set *set,
				      const struct rj_dirty_walk *walk,
				      struct rj_bitmap *const *bitmaps,
				      uint64_t *ret_marked,
				      struct ramjet_error *err);
/* Memory is collected in so many pieces, each of one region: of 256 MiB or, of
 * very large guests, of more; the part that one of them is. */
uint64_t rj_dirty_set_pieces(const struct rj_dirty_set *set);
struct ramjet_dirty_part rj_dirty_set_piece(const struct rj_dirty_set *set,
					    uint64_t piece);
/* True when a source begins to track only what rj_dirty_set_arm() was called
 * for. */
bool rj_dirty_set_needs_arm(const struct rj_dirty_set *set);
/* Begin to track pages of a region, before it is found out which of them are
 * populated, and before any is read. Whole chunks, or up to the region's end;
 * each once. Thread-safe for disjoint chunks. */
RJ_NODISCARD int rj_dirty_set_arm(struct rj_dirty_set *set, unsigned region,
				  uint64_t first_page, uint64_t page_count,
				  struct ramjet_error *err);
/* True when a source wants rearm() before pages are read. */
bool rj_dirty_set_needs_rearm(const struct rj_dirty_set *set);
/* Thread-safe for disjoint chunks. */
RJ_NODISCARD int rj_dirty_set_rearm(struct rj_dirty_set *set, unsigned region,
				    uint64_t first_page, const uint64_t *words,
				    size_t count, struct ramjet_error *err);
/* True when a source has writes that nobody sees to be waited for. */
bool rj_dirty_set_needs_settle(const struct rj_dirty_set *set);
/*
 * Wait until the writes have ended that go through pages pinned earlier: a
 * collect does so by itself, before it gives away what it marked; who arms, once
 * all is armed and nothing has been read. Why no such write is lost:
 *
 * A read of the disk R pins its pages at a, which breaks their protection as a
 * write does, and they are written until it ends at b. Let c be a copy of one of
 * these pages, read before a write of R's at w < b, and s the latest collect (or
 * arming) of the page before c. What s reported is read only after it settled;
 * had R been under way at s, it would have ended by then, so a > s: R pinned
 * the page after s protected it. So the page counts as written, and the next
 * collect, s', reports it. It is read again after s' has settled, when R has
 * ended if it was under way at s'. The last collect comes after the guest's
 * stop, which has waited for all.
 *
 * So marks must not be acted on before the collect has settled, and workers do
 * act on a map that is being filled (engine/send/rounds.c): hence struct rj_held.
 */
RJ_NODISCARD int rj_dirty_set_settle(struct rj_dirty_set *set,
				     struct ramjet_error *err);
/* What the first write to a tracked page costs the guest, as far as known. */
uint64_t rj_dirty_set_write_cost_ns(const struct rj_dirty_set *set);
void rj_dirty_set_stop(struct rj_dirty_set *set);
#endif
