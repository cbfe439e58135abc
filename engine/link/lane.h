/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_LANE_H
#define RJ_ENGINE_LINK_LANE_H
/*
 * A lane: one data connection with its worker, and where it is in its life. The
 * worker that owns it moves it; anybody may look. Legal steps are a table.
 *
 *   connecting -> open <-> resting
 *                 open, resting -> draining -> closed
 *                                  draining -> open (one more round after all)
 *   any of these -> lost -> rejoining -> open
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* 0, as counters begin: connecting. */
enum rj_lane_state {
	RJ_LANE_CONNECTING,
	RJ_LANE_OPEN,
	RJ_LANE_RESTING,  /* open; its worker is not to send now */
	RJ_LANE_DRAINING, /* the last page was sent or taken */
	RJ_LANE_LOST,     /* it failed; what was on its way may be missing */
	RJ_LANE_REJOINING,
	RJ_LANE_CLOSED,
	RJ_LANE_COUNT_,
};

bool rj_lane_may_follow(enum rj_lane_state from, enum rj_lane_state to);
/* Nothing more comes of it. */
static inline bool rj_lane_is_over(enum rj_lane_state state)
{
	return state == RJ_LANE_LOST || state == RJ_LANE_CLOSED;
}
/* Errors of a connection that mean that it is gone, and nothing else: not
 * memory, not what came over it, not that somebody gives up. */
bool rj_lane_is_loss(int rc);
/* As ramjet_info() shows it: "open", "idle", ... */
const char *rj_lane_state_name(enum rj_lane_state state);

/* The state lies among the worker's counters. The step must be legal (asserted),
 * or none at all. */
void rj_lane_move(_Atomic uint32_t *state, enum rj_lane_state to);
static inline enum rj_lane_state rj_lane_state(const _Atomic uint32_t *state)
{
	return (enum rj_lane_state)atomic_load_explicit(state,
							memory_order_relaxed);
}
#endif
