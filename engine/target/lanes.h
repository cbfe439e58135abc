/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_TARGET_LANES_H
#define RJ_ENGINE_TARGET_LANES_H
/* What the target's control thread knows of lanes that may be lost, and has told
 * of them: engine/target/lost_lanes.h. */
#include <stdint.h>

#include "engine/wire/lanes.h"
#include "ramjet.h"

enum rj_lost_lane_state {
	RJ_LOST_LANE_UP,
	RJ_LOST_LANE_TOLD,     /* LOST is said, and BACK has not come */
	RJ_LOST_LANE_OUT,      /* BACK has: it may return */
	RJ_LOST_LANE_FINISHED, /* lost after the final round: no matter */
};

struct rj_lost_lanes {
	int stop_fd; /* rj_receiver.stop_fd; -1: none is needed */
	struct rj_lost_lane {
		enum rj_lost_lane_state state;
		uint32_t epoch;
	} lanes[RAMJET_CHANNELS_MAX];
	struct rj_taken told[RAMJET_CHANNELS_MAX]; /* by TAKEN */
	uint64_t told_ns;                          /* when */
	uint64_t none_since_ns;   /* no lane is left; 0: some are */
	struct ramjet_error last; /* why the lane failed that was lost last */
	uint64_t second_ns;       /* when the second began in which */
	unsigned returns;         /* so many lanes have returned */
};
#endif
