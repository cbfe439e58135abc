/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/arrival.h"

/* A round of fewer pages shows what latency costs. */
#define LATENCY_PAGES 64u

void rj_arrival_opened(struct rj_arrival *arrival, uint32_t round,
		       uint64_t pages, uint64_t now_us)
{
	arrival->rounds[round % RJ_ARRIVAL_ROUNDS] = (struct rj_arrival_round){
		.pages = pages,
		.began_us = now_us,
	};
}

void rj_arrival_left(struct rj_arrival *arrival, uint32_t rounds,
		     uint64_t bytes, uint64_t now_us)
{
	for (; arrival->left < rounds; arrival->left++) {
		struct rj_arrival_round *round =
			&arrival->rounds[arrival->left % RJ_ARRIVAL_ROUNDS];

		round->left_us = now_us;
		round->left_bytes = bytes;
	}
}

static void measure_latency(struct rj_arrival *arrival,
			    const struct rj_arrival_round *round,
			    uint64_t now_us)
{
	const double us = (double)(now_us - round->began_us);

	if (round->pages > LATENCY_PAGES)
		return;
	rj_smooth_add(&arrival->latency_us, us);
	if (arrival->path_us <= 0 || us < arrival->path_us)
		arrival->path_us = us;
}

void rj_arrival_applied(struct rj_arrival *arrival, uint32_t rounds,
			uint64_t bytes, uint64_t now_us)
{
	const struct rj_arrival_round *round;

	if (rounds <= arrival->heard || rounds > arrival->left)
		return;
	arrival->heard = rounds;
	if (arrival->left - rounds >= RJ_ARRIVAL_ROUNDS)
		return;
	round = &arrival->rounds[(rounds - 1) % RJ_ARRIVAL_ROUNDS];
	measure_latency(arrival, round, now_us);
	arrival->backlog_bytes = bytes > round->left_bytes
					 ? (double)(bytes - round->left_bytes)
					 : 0;
}

uint64_t rj_arrival_behind_us(const struct rj_arrival *arrival, uint64_t now_us)
{
	/* What the first round leaves in the target's buffers nobody knows
	 * before it has arrived. */
	if (!arrival->heard ||
	    arrival->left - arrival->heard > RJ_ARRIVAL_ROUNDS)
		return UINT64_MAX;
	if (arrival->heard == arrival->left)
		return 0;
	return now_us -
	       arrival->rounds[arrival->heard % RJ_ARRIVAL_ROUNDS].left_us;
}
