/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/migration/transitions.h"

#include <assert.h>
#include <stdint.h>

#include "util/compiler.h"

#define TO(state) (1u << RAMJET_STATE_##state)

/* clang-format off */
static const uint32_t allowed[] = {
	[RAMJET_STATE_NONE] =
		TO(SETUP) | TO(FAILED) | TO(CANCELLING),
	[RAMJET_STATE_SETUP] =
		TO(ACTIVE) | TO(FAILED) | TO(CANCELLING),
	[RAMJET_STATE_ACTIVE] =
		TO(HELD) | TO(SWITCHOVER) | TO(FAILED) | TO(CANCELLING),
	[RAMJET_STATE_HELD] =
		TO(ACTIVE) | TO(SWITCHOVER) | TO(FAILED) | TO(CANCELLING),
	[RAMJET_STATE_SWITCHOVER] =
		TO(ACTIVE) | TO(COMMITTED) | TO(FAILED) | TO(CANCELLING),
	[RAMJET_STATE_COMMITTED] =
		TO(COMPLETED) | TO(FAILED) | TO(UNCONFIRMED),
	[RAMJET_STATE_CANCELLING] =
		TO(CANCELLED) | TO(FAILED),
	[RAMJET_STATE_COMPLETED] = 0,
	[RAMJET_STATE_FAILED] = 0,
	[RAMJET_STATE_CANCELLED] = 0,
	[RAMJET_STATE_UNCONFIRMED] = 0,
};

static const char *const names[] = {
	[RAMJET_STATE_NONE] = "none",
	[RAMJET_STATE_SETUP] = "setup",
	[RAMJET_STATE_ACTIVE] = "active",
	[RAMJET_STATE_HELD] = "held",
	[RAMJET_STATE_SWITCHOVER] = "switchover",
	[RAMJET_STATE_COMMITTED] = "committed",
	[RAMJET_STATE_COMPLETED] = "completed",
	[RAMJET_STATE_FAILED] = "failed",
	[RAMJET_STATE_CANCELLING] = "cancelling",
	[RAMJET_STATE_CANCELLED] = "cancelled",
	[RAMJET_STATE_UNCONFIRMED] = "unconfirmed",
};
/* clang-format on */
static_assert(RJ_ARRAY_SIZE(allowed) == RAMJET_STATE_COUNT_, "add a row");
static_assert(RJ_ARRAY_SIZE(names) == RAMJET_STATE_COUNT_, "add a name");

bool rj_state_may_follow(enum ramjet_state from, enum ramjet_state to)
{
	return from < RAMJET_STATE_COUNT_ && to < RAMJET_STATE_COUNT_ &&
	       allowed[from] >> to & 1;
}

bool rj_state_is_before_commit(enum ramjet_state state)
{
	return state <= RAMJET_STATE_SWITCHOVER;
}

RAMJET_API const char *ramjet_state_name(enum ramjet_state state)
{
	return state < RAMJET_STATE_COUNT_ ? names[state] : "invalid";
}

RAMJET_API bool ramjet_state_is_final(enum ramjet_state state)
{
	return state == RAMJET_STATE_COMPLETED ||
	       state == RAMJET_STATE_FAILED ||
	       state == RAMJET_STATE_CANCELLED ||
	       state == RAMJET_STATE_UNCONFIRMED;
}

#undef TO
#define TO(will) (1u << RJ_WILL_##will)

bool rj_will_may_follow(enum rj_will from, enum rj_will to)
{
	static const uint32_t follow[] = {
		[RJ_WILL_GO_ON] =
			TO(PROMISED) | TO(MAY_LEAVE) | TO(CANCEL) | TO(LEFT),
		/* Freeing the handle does this: as if the process had died. */
		[RJ_WILL_PROMISED] = TO(BREAK) | TO(LEFT),
		[RJ_WILL_MAY_LEAVE] = TO(CANCEL) | TO(LEFT),
		[RJ_WILL_CANCEL] = 0,
		[RJ_WILL_BREAK] = 0,
		[RJ_WILL_LEFT] = 0,
	};

	static_assert(RJ_ARRAY_SIZE(follow) == RJ_WILL_COUNT_, "add a row");
	return from < RJ_WILL_COUNT_ && to < RJ_WILL_COUNT_ &&
	       follow[from] >> to & 1;
}
