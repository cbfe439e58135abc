/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_GUARDED_H
#define RJ_TESTS_GUARDED_H
/*
 * A block of private memory for tests, untouched at first, with a page of a
 * known pattern on either side and an inaccessible one beyond: whoever writes
 * outside the block is found out.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/guest/guest.h"

struct guarded {
	uint8_t *map;
	uint64_t map_bytes;
	uint8_t *host;
	uint64_t bytes;
};

/* 0 or a negative errno. Memory is not reserved: any size goes. */
int guarded_map(struct guarded *g, uint64_t bytes);
/* Safe on a zeroed struct. */
void guarded_unmap(struct guarded *g);
/* The pages on either side are as they were. */
bool guarded_is_intact(const struct guarded *g);
/* Pages [first, first + count) that exist, in memory or swap. */
uint64_t guarded_resident(const struct guarded *g, uint64_t first,
			  uint64_t count);
/* As the engine sees it: a block "ram0" of this memory. */
struct rj_block guarded_block(const struct guarded *g);
/* Fill page `page` with bytes that are never all zero and depend on page and
 * seed. */
void guarded_fill(const struct guarded *g, uint64_t page, uint64_t seed);
#endif
