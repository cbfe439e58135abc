/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SEND_LANE_LEVEL_H
#define RJ_ENGINE_SEND_LANE_LEVEL_H
/*
 * The level of a lane's compression, and what its ladder (ladder.h) has to know
 * for it: how long it had work, how long it waited for the network, what it sent.
 * Without a ladder, the level is what it was at first, and nothing is measured.
 *
 * Owned by the worker, but for what the room's atomics say.
 */
#include <stdatomic.h>

#include "engine/migration/env.h"
#include "engine/send/ladder.h"
#include "engine/stats/counters.h"

/* What all lanes share; the control thread's. */
struct rj_level_room {
	unsigned cpus; /* for all of them; before they begin */
	/* Of a worker's time, for zstd: 0 to 100. relaxed: nothing else is
	 * concluded from it. */
	_Atomic uint32_t zstd_percent;
};

struct rj_lane_level_options { /* all borrowed */
	const struct rj_env *env;
	const struct rj_reduction *reduction; /* NULL: no zstd, ever */
	/* For adaptive ones. */
	const struct rj_level_room *room;
	struct rj_counters *counters; /* the lane's */
	unsigned lane;
};

struct rj_lane_level {
	struct rj_lane_level_options options;
	bool adaptive;
	int32_t level; /* the ladder's; samples apart */
	struct rj_ladder ladder;
	struct rj_ladder_seen seen;
	uint64_t off_ns;    /* in waits, on no CPU, since the latest look */
	uint64_t queued_ns; /* ready to run, as of then */
	int sched_fd;       /* what tells that; -1: nothing */
	/* The latest look at the clocks, while there is work; wall 0: there is
	 * none. And when the wait at hand began. */
	struct rj_level_clocks {
		uint64_t wall_ns, cpu_ns;
	} looked, waits;
};

/* Returns the level to begin with. */
int32_t rj_lane_level_begin(struct rj_lane_level *lane,
			    const struct rj_lane_level_options *options);
/* There is work / there is none. */
void rj_lane_level_work(struct rj_lane_level *lane);
void rj_lane_level_rest(struct rj_lane_level *lane);
/* What is in between is a wait for the network, as far as it is not spent on a
 * CPU. */
void rj_lane_level_wait(struct rj_lane_level *lane);
void rj_lane_level_waited(struct rj_lane_level *lane);
/* Of an adaptive one: a frame was handed over, or a sample is through. The counters
 * are right, and of what went to the connection, so much has left it; `active`
 * lanes work. Returns the level for what comes next. */
int32_t rj_lane_level_look(struct rj_lane_level *lane, uint64_t left_bytes,
			   unsigned active);
/* So many pages from here on are a sample: look again behind them. 0: none. */
static inline uint32_t rj_lane_level_sample_pages(
	const struct rj_lane_level *lane)
{
	return lane->adaptive ? rj_ladder_sample_bytes(&lane->ladder) /
					RAMJET_PAGE_BYTES
			      : 0;
}
/* Tell what has become of it, once all is sent. */
void rj_lane_level_end(struct rj_lane_level *lane);
/* Safe on a zeroed struct. */
void rj_lane_level_done(struct rj_lane_level *lane);
#endif
