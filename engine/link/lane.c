/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/lane.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "util/compiler.h"

#define TO(state) (1u << RJ_LANE_##state)

static const uint32_t follow[] = {
	[RJ_LANE_CONNECTING] = TO(OPEN) | TO(LOST),
	[RJ_LANE_OPEN] = TO(RESTING) | TO(DRAINING) | TO(LOST),
	[RJ_LANE_RESTING] = TO(OPEN) | TO(DRAINING) | TO(LOST),
	[RJ_LANE_DRAINING] = TO(OPEN) | TO(CLOSED) | TO(LOST),
	[RJ_LANE_LOST] = TO(REJOINING),
	[RJ_LANE_REJOINING] = TO(OPEN) | TO(LOST),
	[RJ_LANE_CLOSED] = 0,
};

static const char *const names[] = {
	[RJ_LANE_CONNECTING] = "connecting",
	[RJ_LANE_OPEN] = "open",
	[RJ_LANE_RESTING] = "idle",
	[RJ_LANE_DRAINING] = "draining",
	[RJ_LANE_LOST] = "lost",
	[RJ_LANE_REJOINING] = "rejoining",
	[RJ_LANE_CLOSED] = "closed",
};
static_assert(RJ_ARRAY_SIZE(follow) == RJ_LANE_COUNT_, "add a row");
static_assert(RJ_ARRAY_SIZE(names) == RJ_LANE_COUNT_, "add a name");

bool rj_lane_may_follow(enum rj_lane_state from, enum rj_lane_state to)
{
	return from < RJ_LANE_COUNT_ && to < RJ_LANE_COUNT_ &&
	       follow[from] >> to & 1;
}

bool rj_lane_is_loss(int rc)
{
	static const int losses[] = {
		ENODATA,     EPIPE,    ECONNRESET, ETIMEDOUT, EHOSTUNREACH,
		ENETUNREACH, ENETDOWN, ENOTCONN,   EIO,       ECONNABORTED,
	};

	for (size_t i = 0; i < RJ_ARRAY_SIZE(losses); i++)
		if (rc == -losses[i])
			return true;
	return false;
}

const char *rj_lane_state_name(enum rj_lane_state state)
{
	return state < RJ_LANE_COUNT_ ? names[state] : "invalid";
}

void rj_lane_move(_Atomic uint32_t *state, enum rj_lane_state to)
{
	const enum rj_lane_state from = rj_lane_state(state);

	if (from == to)
		return;
	assert(rj_lane_may_follow(from, to));
	atomic_store_explicit(state, (uint32_t)to, memory_order_relaxed);
}
