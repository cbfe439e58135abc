/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/run_kinds.h"

void rj_run_rows_count(struct rj_counters *counters,
		       const uint64_t pages[RJ_RUN_KINDS])
{
	for (unsigned kind = 0; kind < RJ_RUN_KINDS; kind++)
		if (pages[kind])
			rj_count((_Atomic uint64_t
					  *)(void *)((uint8_t *)counters +
						     rj_run_rows[kind].counter),
				 pages[kind]);
}
