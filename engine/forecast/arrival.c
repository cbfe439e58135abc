/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A round is opened, left (its last fence is launched), and heard of (APPLIED).
 * Of the time between, three parts are told apart:
 *
 *   latency   what a round takes that holds nearly nothing. Measured where the
 *             bytes of a round, and of those ahead of it, explain little of it.
 *   queue     what those bytes take at the capacity: a term of its own in the
 *             prediction, so it must not be in the latency too.
 *   behind    how long the oldest round not heard of has left: a target that is
 *             further behind than the pause may take is not ready to switch
 *             (decision 020). Late is what the queue does not explain of that.
 */
#include "engine/forecast/arrival.h"

#include <stddef.h>

#include "ramjet.h"

/* A round of fewer pages shows what latency costs. Chosen: 256 KiB are 2 ms at
 * 1 Gbit/s; with fewer pages a guest that writes a little never tells. */
#define LATENCY_PAGES 64u
/* So does a larger one whose bytes explain at most this share of what it took:
 * on a long path there are no others. Chosen: the latency is then at most 10 %
 * too long. */
#define QUEUE_SHARE 0.1

static void forget(struct rj_arrival *arrival, struct rj_arrival_round *round)
{
	arrival->pages_under_way -= round->pages;
	round->pages = 0;
}

void rj_arrival_opened(struct rj_arrival *arrival, uint32_t round,
		       uint64_t pages, uint64_t bytes, uint64_t now_us)
{
	struct rj_arrival_round *slot =
		&arrival->rounds[round % RJ_ARRIVAL_ROUNDS];

	forget(arrival, slot);
	*slot = (struct rj_arrival_round){
		.pages = pages,
		.pages_ahead = arrival->pages_under_way,
		.began_us = now_us,
		.began_bytes = bytes,
	};
	arrival->pages_under_way += pages;
}

void rj_arrival_left(struct rj_arrival *arrival, uint32_t rounds,
		     uint64_t bytes, uint64_t queue_us, uint64_t now_us)
{
	for (; arrival->left < rounds; arrival->left++) {
		struct rj_arrival_round *round =
			&arrival->rounds[arrival->left % RJ_ARRIVAL_ROUNDS];

		round->left_us = now_us;
		round->left_bytes = bytes;
		round->queue_us = queue_us;
	}
}

static void measure_latency(struct rj_arrival *arrival,
			    const struct rj_arrival_round *round,
			    double capacity, uint64_t now_us)
{
	const uint64_t pages = round->pages + round->pages_ahead;
	const double us = (double)(now_us - round->began_us);

	/* What went before it is queueing, which is a term of its own. */
	if (pages > LATENCY_PAGES && (double)(pages * RAMJET_PAGE_BYTES) >
					     QUEUE_SHARE * capacity * us / 1e6)
		return;
	rj_smooth_add_time(&arrival->latency_us, us);
	if (arrival->path_us <= 0 || us < arrival->path_us)
		arrival->path_us = us;
}

static void measure(struct rj_arrival *arrival,
		    const struct rj_arrival_round *round, double capacity,
		    uint64_t now_us)
{
	measure_latency(arrival, round, capacity, now_us);
	if (!round->pages)
		return;
	arrival->came_bytes = round->left_bytes - round->began_bytes;
	arrival->came_us = now_us - round->began_us;
}

void rj_arrival_applied(struct rj_arrival *arrival, uint32_t rounds,
			uint64_t bytes, double capacity, uint64_t now_us)
{
	struct rj_arrival_round *round = NULL;

	arrival->came_bytes = arrival->came_us = 0;
	if (rounds <= arrival->heard || rounds > arrival->left)
		return;
	for (; arrival->heard < rounds; arrival->heard++) {
		if (arrival->left - arrival->heard > RJ_ARRIVAL_ROUNDS)
			continue;
		round = &arrival->rounds[arrival->heard % RJ_ARRIVAL_ROUNDS];
		if (arrival->heard + 1 == rounds)
			measure(arrival, round, capacity, now_us);
		forget(arrival, round);
	}
	if (!round)
		return;
	arrival->backlog_bytes = bytes > round->left_bytes
					 ? (double)(bytes - round->left_bytes)
					 : 0;
}

double rj_arrival_waiting_bytes(const struct rj_arrival *arrival,
				double queued_bytes)
{
	return arrival->pages_under_way ? queued_bytes + arrival->backlog_bytes
					: 0;
}

uint64_t rj_arrival_behind_us(const struct rj_arrival *arrival, uint64_t now_us)
{
	/* Before the first round is applied, nothing is known of how much waits
	 * in the target's buffers. */
	if (!arrival->heard ||
	    arrival->left - arrival->heard > RJ_ARRIVAL_ROUNDS)
		return UINT64_MAX;
	if (arrival->heard == arrival->left)
		return 0;
	return now_us -
	       arrival->rounds[arrival->heard % RJ_ARRIVAL_ROUNDS].left_us;
}

uint64_t rj_arrival_late_us(const struct rj_arrival *arrival, uint64_t now_us)
{
	const uint64_t behind_us = rj_arrival_behind_us(arrival, now_us);
	const uint64_t queue_us =
		arrival->rounds[arrival->heard % RJ_ARRIVAL_ROUNDS].queue_us;

	if (behind_us == UINT64_MAX)
		return UINT64_MAX;
	return behind_us > queue_us ? behind_us - queue_us : 0;
}
