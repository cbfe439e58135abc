/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_CHANNELS_H
#define RJ_ENGINE_SOURCE_CHANNELS_H
/*
 * How many channels the source opens, and how many of them work: as many as
 * asked for, or, when that is left to us, as many as prove useful
 * (engine/forecast/channel_count.h). The control thread's.
 */
#include <stdbool.h>

#include "engine/forecast/channel_count.h"
#include "engine/forecast/meter.h"
#include "engine/placement/cpu_limit.h"

struct ramjet_migration;

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
/* Channels are open, the rounds not begun: who works, and who has a shard. */
void rj_source_channels_begin(struct ramjet_migration *m);
/* At every tick while the guest runs; `busy`: workers had work throughout. */
void rj_source_channels_tick(struct ramjet_migration *m,
			     const struct rj_wire_now *wire, bool busy);
/* For the last pages: those that have proved useful, and no experiments. */
void rj_source_channels_settle(struct ramjet_migration *m);
#endif
