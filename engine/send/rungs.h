/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_RUNGS_H
#define RJ_ENGINE_SEND_RUNGS_H
/*
 * What a lane knows of zstd's levels on the pages it has met: how much each makes
 * of a byte, and what that costs. A level that has not been tried is supposed to
 * lie where it does on ordinary data; what is measured at one moves the others
 * along, since it is the pages that change.
 *
 * No clock, no lock: whoever uses it owns it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/page/reduction.h"

/* off, -5, -1, 1, 3, 6, 9, 12, 15, 19 and one more. */
#define RJ_RUNGS_MAX 11u

struct rj_rung {
	int32_t level;
	double shape_ratio, shape_cost; /* as usual, of those of level -5 */
	double ratio;                   /* bytes out a byte in */
	double cost;                    /* CPU ns a byte in */
	bool known;                     /* measured, not supposed */
};

struct rj_rungs {
	unsigned count; /* rung 0 is off */
	bool known;     /* anything was measured */
	struct rj_rung rungs[RJ_RUNGS_MAX];
};

/* Up to this level; RJ_LEVEL_OFF: only off. */
void rj_rungs_init(struct rj_rungs *rungs, int32_t highest);
/* Of so many bytes at rung `at`, not 0, so many were left, after so much CPU
 * time. */
void rj_rungs_learn(struct rj_rungs *rungs, unsigned at, uint64_t in,
		    uint64_t out, double cpu_ns);
/* Zstd at this rung alone: bytes of pages a second, of one whole CPU. */
double rj_rungs_speed(const struct rj_rungs *rungs, unsigned at);
#endif
