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
	return atomic_load_explicit(&levels->changes[index % RJ_LEVELS_MAX],
				    memory_order_relaxed);
}

void rj_levels_note(struct rj_levels *levels, int32_t level, uint64_t now_us)
{
	const uint64_t count =
		atomic_load_explicit(&levels->count, memory_order_relaxed);

	if (count && unpack(change_at(levels, count - 1)).level == level)
		return;
	atomic_store_explicit(&levels->changes[count % RJ_LEVELS_MAX],
			      pack(level, now_us), memory_order_relaxed);
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
	size_t lost = 0;

	for (uint64_t i = 0; i < kept; i++)
		out[i] = unpack(change_at(levels, total - kept + i));
	/* The oldest ones may have been written over meanwhile, by what came
	 * after the latest one here. */
	while (lost + 1 < kept && out[lost].since_us > out[kept - 1].since_us)
		lost++;
	for (size_t i = 0; lost && i < kept - lost; i++)
		out[i] = out[i + lost];
	*ret_total = total;
	return kept - lost;
}
