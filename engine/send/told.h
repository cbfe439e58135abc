/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_TOLD_H
#define RJ_ENGINE_SEND_TOLD_H
/*
 * What the VMM has told of pages since tracking began. Telling takes no lock,
 * and any thread may at any time; the control thread alone takes the marks.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dirty/bitmap.h"
#include "dirty/mark_map.h"
#include "engine/guest/guest.h"
#include "util/compiler.h"

struct rj_told {
	unsigned block_count;
	/* Wait here until the next fill: putting them into a round's map
	 * directly could race with its opening. */
	struct rj_mark_map *marks;
	/* What was ever discarded: nothing pinned there may be trusted. */
	struct rj_mark_map *discarded;
	_Atomic uint32_t discards; /* calls so far */
};

RJ_NODISCARD int rj_told_init(struct rj_told *told,
			      const struct rj_block *blocks,
			      unsigned block_count, struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_told_done(struct rj_told *told);

void rj_told_mark(struct rj_told *told, unsigned block, uint64_t first_page,
		  uint64_t pages);
/* Notes it, then marks the pages, so that whoever claims them sees the note. */
void rj_told_discard(struct rj_told *told, unsigned block, uint64_t first_page,
		     uint64_t pages);
/* Changes with every discard (and wraps around). */
uint32_t rj_told_discards(const struct rj_told *told);
/* True when a page of these chunks of the block was ever discarded. */
bool rj_told_was_discarded(const struct rj_told *told, unsigned block,
			   uint64_t first_chunk, uint64_t chunks);
/* Move a block's marks into `map`, of as many pages; returns how many of these
 * were clear there. Control thread. */
uint64_t rj_told_take(struct rj_told *told, unsigned block,
		      struct rj_bitmap *map);
/* Was a page marked that was not taken yet? Exact while nobody marks. */
bool rj_told_has_marks(const struct rj_told *told);
#endif
