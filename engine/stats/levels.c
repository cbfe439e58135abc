/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/stats/levels.h"

#include <stdbool.h>

#define LEVEL_BITS 8u
/* A level is kept from 1 on: 0 is none at all. */
#define LEVEL_BIAS 128

static uint64_t pack(int32_t level, uint64_t us)
{
	const uint64_t kept =
		level == RJ_LEVELS_OFF ? 0 : (uint64_t)(level + LEVEL_BIAS);

	return us << LEVEL_BITS | kept;
}

static struct rj_level_change unpack(uint64_t word)
{
	const int32_t kept = (int32_t)(word & ((1u << LEVEL_BITS) - 1));

	return (struct rj_level_change){
		.since_us = word >> LEVEL_BITS,
		.level = kept ? kept - LEVEL_BIAS : RJ_LEVELS_OFF,
	};
}

static uint64_t change_at(const struct rj_levels *levels, uint64_t index)
{
	/* acquire: pairs with the release in rj_levels_note() */
	return atomic_load_explicit(&levels->changes[index % RJ_LEVELS_SLOTS],
				    memory_order_acquire);
}

void rj_levels_note(struct rj_levels *levels, int32_t level, uint64_t now_us)
{
	const uint64_t count =
		atomic_load_explicit(&levels->count, memory_order_relaxed);

	if (count && unpack(change_at(levels, count - 1)).level == level)
		return;
	/* release: who finds this word here finds no smaller count afterwards */
	atomic_store_explicit(&levels->changes[count % RJ_LEVELS_SLOTS],
			      pack(level, now_us), memory_order_release);
	/* release: pairs with the acquire in rj_levels_read() */
	atomic_store_explicit(&levels->count, count + 1, memory_order_release);
}

size_t rj_levels_read(const struct rj_levels *levels,
		      struct rj_level_change *out, uint64_t *ret_total)
{
	/* acquire: pairs with the release in rj_levels_note() */
	const uint64_t total =
		atomic_load_explicit(&levels->count, memory_order_acquire);
	const uint64_t kept = total < RJ_LEVELS_MAX ? total : RJ_LEVELS_MAX;
	const uint64_t first = total - kept;
	uint64_t now;
	size_t used = 0;

	for (uint64_t i = 0; i < kept; i++)
		out[i] = unpack(change_at(levels, first + i));
	/* Those were written over meanwhile, or may have been. */
	now = atomic_load_explicit(&levels->count, memory_order_acquire);
	for (uint64_t i = 0; i < kept; i++)
		if (first + i + RJ_LEVELS_SLOTS > now)
			out[used++] = out[i];
	*ret_total = total;
	return used;
}
