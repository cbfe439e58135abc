/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_MARK_MAP_H
#define RJ_DIRTY_MARK_MAP_H
/*
 * A bitmap of one block that many threads set and one empties, without a lock:
 * who sets never waits, not even for a thread that has lost its CPU. For what
 * the VMM tells of single pages; for whole logs struct rj_bitmap is faster.
 *
 * A bit a page, and a summary bit a chunk of 512 pages. A set summary bit may
 * have no page bit left (harmless), but a set page bit always has its summary
 * bit set or about to be set by its setter: no page is lost. Why: a setter sets
 * the page first and the summary last, who takes clears in the opposite order.
 *
 * The memory is mapped lazily: an untouched map costs nothing.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dirty/bitmap.h"
#include "ramjet.h"
#include "util/compiler.h"

struct rj_mark_map {
	/* immutable after rj_mark_map_init() */
	uint64_t page_count;
	uint64_t chunk_count;
	_Atomic uint64_t *words;   /* chunk_count * RJ_CHUNK_WORDS */
	_Atomic uint64_t *summary; /* (chunk_count + 63) / 64 */
	size_t map_bytes;          /* of the one mapping behind both */
};

/* All bits clear. -ENOMEM. */
RJ_NODISCARD int rj_mark_map_init(struct rj_mark_map *map, uint64_t page_count,
				  struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_mark_map_done(struct rj_mark_map *map);

/* The range must lie in the map (asserted). Any thread. */
void rj_mark_map_set(struct rj_mark_map *map, uint64_t first_page,
		     uint64_t count);
/* The first chunk in [from, end) that was set something of, or `end`, which is
 * at most chunk_count. Any thread. */
uint64_t rj_mark_map_next_chunk(const struct rj_mark_map *map, uint64_t from,
				uint64_t end);
/* Take all bits of a chunk: out[w] |= bits. One thread at a time. What was
 * written before a bit was set is seen by who has taken it. */
void rj_mark_map_take_chunk(struct rj_mark_map *map, uint64_t chunk,
			    uint64_t out[RJ_CHUNK_WORDS]);
/* Is a page set? Exact while nobody sets or takes. */
bool rj_mark_map_is_set(const struct rj_mark_map *map);
#endif
