/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_RUN_KINDS_H
#define RJ_ENGINE_PAGE_RUN_KINDS_H
/*
 * What kinds of runs there are: a row each says what its payload is, how that
 * is made and checked, how it gets to its place, and what it counts as. Who
 * wants to know asks the row; only who cuts pages into runs chooses a kind
 * (engine/page/cut.h). docs/hacking.md says how to add one.
 */
#include "engine/page/run_row.h"
#include "engine/stats/counters.h"

/* By kind; immutable. */
extern const struct rj_run_row rj_run_rows[RJ_RUN_KINDS];

/* NULL: there is no such kind. */
static inline const struct rj_run_row *rj_run_row(unsigned kind)
{
	return kind < RJ_RUN_KINDS && rj_run_rows[kind].name
		       ? &rj_run_rows[kind]
		       : NULL;
}

/* So many pages of each kind have been sent, or have come. By the counters'
 * one writer. */
void rj_run_rows_count(struct rj_counters *counters,
		       const uint64_t pages[RJ_RUN_KINDS]);
/* As that, and they belong to this block of the guest. */
void rj_run_rows_count_in(struct rj_counters *counters, unsigned block,
			  const uint64_t pages[RJ_RUN_KINDS]);
#endif
