/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_REMOTE_SENT_MAP_H
#define RJ_DIRTY_REMOTE_SENT_MAP_H
/*
 * Which pages have been sent, so that one which is absent now is known to have
 * been discarded; and which of them were reported as absent since, with an entry
 * in the page table that says so: as long as that entry stays, nothing more has
 * happened to them ("gone").
 *
 * A bit a page that was sent, and one that is gone; the memory is mapped lazily.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"

struct rj_sent_map {
	/* immutable after rj_sent_map_init() */
	uint64_t first_page;
	uint64_t end_page;
	uint64_t base; /* first_page, down to a whole chunk */
	void *memory;  /* behind all of them */
	size_t map_bytes;
	/* Set by any thread, never cleared. A byte a chunk says whether any of
	 * its bits is. */
	_Atomic uint64_t *sent;
	_Atomic uint8_t *some_sent;
	/* One thread at a time for each chunk. */
	uint64_t *gone;
	uint8_t *some_gone;
};

struct rj_page_run {
	uint64_t first;
	uint64_t count;
};

/* Of pages [first_page, first_page + page_count), none sent. -ENOMEM. */
RJ_NODISCARD int rj_sent_map_init(struct rj_sent_map *map, uint64_t first_page,
				  uint64_t page_count,
				  struct ramjet_error *err);
/* Safe on a zeroed struct. */
void rj_sent_map_done(struct rj_sent_map *map);

/* Page first_page + i (a multiple of 64) where bit i of words is set, as far as
 * the map goes. Any thread. What is read after this was called is found as
 * "sent" by who sees a discard that came after the reading. */
void rj_sent_map_add(struct rj_sent_map *map, uint64_t first_page,
		     const uint64_t *words, size_t count);
/* The first run in [from, end) of pages that were sent and are not gone, or may
 * be gone as well; count 0: there is none. Runs end with a chunk. */
struct rj_page_run rj_sent_map_next(const struct rj_sent_map *map,
				    uint64_t from, uint64_t end,
				    bool may_be_gone);
void rj_sent_map_set_gone(struct rj_sent_map *map, uint64_t first_page,
			  uint64_t count);
void rj_sent_map_clear_gone(struct rj_sent_map *map, uint64_t first_page,
			    uint64_t count);
#endif
