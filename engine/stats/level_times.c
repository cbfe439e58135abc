/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/stats/level_times.h"

void rj_level_times_add(struct rj_level_times *times, int32_t level,
			uint64_t ns)
{
	unsigned i = 0;

	while (i < times->count && times->times[i].level != level)
		i++;
	if (i == RJ_LEVEL_TIMES_MAX)
		return;
	if (i == times->count)
		times->times[times->count++] =
			(struct rj_level_time){ .level = level };
	times->times[i].ns += ns;
}
