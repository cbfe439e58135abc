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

/* Of a block's two figures, all that hold something are one. */
static uint64_t held(const struct rj_counters *counters)
{
	return rj_counted_full(counters) + rj_counter(&counters->word_pages);
}

void rj_run_rows_count_in(struct rj_counters *counters, unsigned block,
			  const uint64_t pages[RJ_RUN_KINDS])
{
	uint64_t normal = held(counters);
	uint64_t zero = rj_counter(&counters->zero_pages);
	struct rj_block_counters *b;

	rj_run_rows_count(counters, pages);
	normal = held(counters) - normal;
	zero = rj_counter(&counters->zero_pages) - zero;
	/* What has no pages is of no block. */
	if (!counters->by_block || !(normal || zero))
		return;
	b = &counters->by_block[block];
	rj_count(&b->normal_pages, normal);
	rj_count(&b->zero_pages, zero);
}
