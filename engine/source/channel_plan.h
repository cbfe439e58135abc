/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_CHANNEL_PLAN_H
#define RJ_ENGINE_SOURCE_CHANNEL_PLAN_H
/*
 * How many channels the source opens, and how many of them work at first: as
 * many as asked for, or, when that is left to us, what the CPUs suggest.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/forecast/channel_count.h"
#include "engine/placement/cpu_limit.h"

struct rj_channel_plan {
	bool automatic;
	unsigned opened;
	unsigned wished; /* to be opened, before the target was asked */
	unsigned first;  /* active in the beginning */
	struct rj_cpu_limit cpus;
	struct rj_channel_count count;
	unsigned tries; /* decided so far */
	/* at the latest tick */
	bool was_queued;
	uint64_t raw_pages, zero_pages;
};

/* Decide how many to open; `asked`: as in the parameters. */
void rj_channel_plan_init(struct rj_channel_plan *plan, unsigned asked);
/* The target takes only so many. */
void rj_channel_plan_limit(struct rj_channel_plan *plan, unsigned accepted);
#endif
