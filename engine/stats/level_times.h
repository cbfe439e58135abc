/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_STATS_LEVEL_TIMES_H
#define RJ_ENGINE_STATS_LEVEL_TIMES_H
/* How long lanes compressed at which level, and how often they tried another: of
 * all lanes that are through. Under the migration's lock. */
#include <stdint.h>

struct rj_level_time {
	int32_t level; /* RJ_LEVEL_OFF: none */
	uint64_t ns;
};
/* Off, and as many as zstd has from -7 to 22. */
#define RJ_LEVEL_TIMES_MAX 31u

struct rj_level_times {
	struct rj_level_time times[RJ_LEVEL_TIMES_MAX];
	unsigned count;
	unsigned tries, tries_lost;
};

/* A lane was at this level for so long, while it had work. */
void rj_level_times_add(struct rj_level_times *times, int32_t level,
			uint64_t ns);
#endif
