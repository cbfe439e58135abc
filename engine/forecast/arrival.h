/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_FORECAST_ARRIVAL_H
#define RJ_ENGINE_FORECAST_ARRIVAL_H
/*
 * Rounds on their way: how long one takes until the target reports it as
 * applied, what the target's kernel has taken and the target has not, and how
 * far behind the target is. On a long path many rounds are under way at once.
 * Pure bookkeeping on what it is told, no clock, no lock.
 */
#include <stdint.h>

#include "engine/stats/smooth.h"

/* At 5 ms a round these are more than a second's. */
#define RJ_ARRIVAL_ROUNDS 256u

struct rj_arrival {
	struct rj_arrival_round {
		uint64_t pages;
		uint64_t pages_ahead; /* under way when it began */
		uint64_t began_us;
		uint64_t began_bytes; /* launched before */
		uint64_t left_us;     /* its fences were launched */
		uint64_t left_bytes;  /* launched until then */
		uint64_t queue_us;    /* and what those will take */
	} rounds[RJ_ARRIVAL_ROUNDS];
	uint32_t left;  /* rounds whose fences are launched */
	uint32_t heard; /* rounds reported as applied */
	uint64_t pages_under_way;
	double backlog_bytes;
	struct rj_smooth latency_us; /* of a nearly empty round */
	double path_us;              /* the least latency; 0: none yet */
	/* The newest round that was applied, if it had pages: what was launched
	 * from its beginning to its end, and when that had come. */
	uint64_t came_bytes, came_us;
};

/* Round `round` begins, with so many pages, `bytes` launched before. */
void rj_arrival_opened(struct rj_arrival *arrival, uint32_t round,
		       uint64_t pages, uint64_t bytes, uint64_t now_us);
/* All rounds before `rounds` have their fences among `bytes` launched, of which
 * those not acknowledged yet will take `queue_us`. */
void rj_arrival_left(struct rj_arrival *arrival, uint32_t rounds,
		     uint64_t bytes, uint64_t queue_us, uint64_t now_us);
/*
 * The target has applied `rounds` rounds, and its kernel has acknowledged
 * `bytes`: what it acknowledged beyond their fences still waits for the
 * target. What was reported before is not looked at again. `capacity` in
 * bytes/s tells how long what went before a round took; 0: not known.
 */
void rj_arrival_applied(struct rj_arrival *arrival, uint32_t rounds,
			uint64_t bytes, double capacity, uint64_t now_us);
/* Of `queued` bytes not acknowledged, and those that wait for the target: how
 * many will keep others waiting. Fences, and acknowledgements that are only
 * late, do not. */
double rj_arrival_waiting_bytes(const struct rj_arrival *arrival,
				double queued_bytes);
/* Since when the target owes an answer: microseconds, 0 for not at all,
 * UINT64_MAX for longer than is remembered, or before the first. */
uint64_t rj_arrival_behind_us(const struct rj_arrival *arrival,
			      uint64_t now_us);
/* Of that, what the queue before it does not explain. */
uint64_t rj_arrival_late_us(const struct rj_arrival *arrival, uint64_t now_us);
#endif
