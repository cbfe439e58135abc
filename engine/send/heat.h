/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_HEAT_H
#define RJ_ENGINE_SEND_HEAT_H
/*
 * Hot pages last: a page that is written again and again need not be sent with
 * each round; it waits until it cools, or for the pause.
 *
 * Goal      Fewer bytes, and a pause that is no longer.
 * Collect   What one collect found lies in maps of its own (`fresh`). It is
 *           sorted into the round to come, or held back.
 * Hot       Written before three collects in a row; and still, as long as two of
 *           the last three found it written. A page that is held back and cools
 *           goes with the next round.
 * Room      So many pages may be held back: the pause sends them, too. What is
 *           beyond goes in turn.
 * Blind     A source that wants a page rearmed before it tells of it again says
 *           nothing of what is held back. So a share of that goes with each
 *           round, and shows what it is now.
 * Nothing   is forgotten: a page that a collect found is in the next round's map
 * lost      or held back when the sorting is over, and what is held back comes
 *           out by a sorting or by rj_heat_release(), into the next round's map.
 * Memory    Two maps and two bits of history a page, as addresses: touched where
 *           pages get dirty. An untouched chunk costs nothing, whatever the size.
 *
 * The control thread's alone.
 */
#include <stdbool.h>
#include <stdint.h>

#include "dirty/bitmap.h"
#include "engine/guest/guest.h"
#include "util/compiler.h"

/* What the two collects before the latest found, a bit a page. */
struct rj_heat_past {
	uint64_t newer[RJ_CHUNK_WORDS];
	uint64_t older[RJ_CHUNK_WORDS];
};

struct rj_heat_block {
	struct rj_bitmap fresh; /* found by the latest collect, not sorted */
	struct rj_bitmap held;
	struct rj_heat_past *past; /* one a chunk; `newer` is of collect... */
	uint32_t *sorted;          /* ...this one; 0: never */
	void *memory;
	size_t bytes;
};

struct rj_heat {
	struct rj_heat_block *blocks; /* NULL: pages go in turn */
	struct rj_bitmap **sinks;     /* their `fresh`, as collects want them */
	unsigned block_count;
	uint32_t collects;   /* sorted so far */
	uint64_t held_pages; /* now */
};

struct rj_heat_rules {
	uint64_t room_pages; /* at most so many are held back */
	bool blind;
};

struct rj_heat_sorted {
	uint64_t written; /* pages that the collect found */
	uint64_t due;     /* newly set in the next round's map */
};

/* Of these blocks; nothing is held back. */
RJ_NODISCARD int rj_heat_init(struct rj_heat *heat,
			      const struct rj_block *blocks,
			      unsigned block_count, struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_heat_done(struct rj_heat *heat);
static inline bool rj_heat_is_used(const struct rj_heat *heat)
{
	return heat->blocks != NULL;
}
/* Sort what lies in the sinks into `next`, one bitmap a block, or hold it
 * back. */
struct rj_heat_sorted rj_heat_sort(struct rj_heat *heat,
				   struct rj_bitmap *const *next,
				   const struct rj_heat_rules *rules);
/* All that is held back goes into `next`, too; returns how many pages of it were
 * clear there. Nothing is held back then. */
uint64_t rj_heat_release(struct rj_heat *heat, struct rj_bitmap *const *next);
#endif
