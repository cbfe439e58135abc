/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_REDUCTION_H
#define RJ_ENGINE_PAGE_REDUCTION_H
/*
 * By what means a source may send fewer bytes: settled when both sides have agreed
 * (or one way, alone), before the lanes begin, and the same for all of them.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/wire/wire.h"

/* No zstd at all; beside its levels, of which some are below zero. */
#define RJ_LEVEL_OFF INT32_MIN

struct rj_delta_cache;

struct rj_reduction {
	/* A bit for each enum rj_run_kind that may be sent, beside RAW and
	 * ZERO, which always may. */
	uint32_t kinds;
	/* The level at which lanes begin, and where `adaptive` the highest one
	 * they may come to. RJ_LEVEL_OFF: none, ever. */
	int32_t level;
	bool adaptive;        /* lanes look for the level that pays */
	uint32_t cpu_percent; /* of a worker's time, at most; 0: no limit */
	/* Earlier copies, shared by the lanes; NULL: no deltas. Borrowed. */
	struct rj_delta_cache *deltas;
};

static inline bool rj_reduction_allows(const struct rj_reduction *reduction,
				       enum rj_run_kind kind)
{
	return reduction && reduction->kinds & 1u << kind;
}
#endif
