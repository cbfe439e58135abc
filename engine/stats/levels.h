/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_STATS_LEVELS_H
#define RJ_ENGINE_STATS_LEVELS_H
/*
 * At what level a lane compressed, over time: its latest changes. Written by the
 * lane's worker alone, read by anyone, without a lock: a change is one word.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Chosen: what a person may look through, and half a KiB a lane. */
#define RJ_LEVELS_MAX 64u
/* One more: that which is being written. */
#define RJ_LEVELS_SLOTS (RJ_LEVELS_MAX + 1)
/* No zstd at all: what engine/page/reduction.h calls RJ_LEVEL_OFF. */
#define RJ_LEVELS_OFF INT32_MIN

struct rj_levels {
	_Atomic uint64_t count; /* so many changes, all in all */
	/* A ring: time << 8 | level, as levels.c packs them. */
	_Atomic uint64_t changes[RJ_LEVELS_SLOTS];
};

/* One change. */
struct rj_level_change {
	uint64_t since_us; /* rj_now_us() scale */
	int32_t level;     /* RJ_LEVELS_OFF: none */
};

/* From `now_us` on the lane compresses at this level, -100 to 100. The same one
 * again is no change. A lane that never compresses need not say so. */
void rj_levels_note(struct rj_levels *levels, int32_t level, uint64_t now_us);
/* The latest changes, oldest first, to `out`, which has room for RJ_LEVELS_MAX.
 * Returns how many; *ret_total: of how many, all in all. */
size_t rj_levels_read(const struct rj_levels *levels,
		      struct rj_level_change *out, uint64_t *ret_total);
#endif
