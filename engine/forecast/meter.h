/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_FORECAST_METER_H
#define RJ_ENGINE_FORECAST_METER_H
/*
 * What the wire really gives: acknowledged bytes over the time in which there
 * was something to send. Pure arithmetic on what it is told, no clock, no lock.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/stats/smooth.h"

struct rj_meter {
	uint64_t acked; /* at `since_us` */
	uint64_t since_us;
	bool was_queued; /* likewise */
	/* Not yet made into a sample: with a queue throughout, and however. */
	struct rj_meter_span {
		uint64_t bytes, us;
	} queued, busy;
	/* Full pages, and time, in which workers coded and the wire waited. */
	uint64_t full_pages, coded_pages; /* at `since_us` */
	uint64_t coding_pages, coding_us;
	unsigned measured; /* samples with a queue */
	uint64_t moved;    /* acked bytes when last seen to grow */
	uint64_t passed;   /* likewise */
	uint64_t moved_us; /* when either did */
};

struct rj_wire_now {
	uint64_t acked;         /* bytes the peer's kernel has, all channels */
	uint64_t queued;        /* bytes launched and not acknowledged */
	uint64_t launched;      /* bytes given to the channels so far */
	uint64_t in_hand_pages; /* claimed by workers, not launched */
	bool held;              /* more would be launched but for the cap */
	uint64_t passed;        /* pages found to need no sending, so far */
	uint64_t full_pages;    /* cut so far, neither zeros nor a word */
	uint64_t coded_pages;   /* of them, compressed or as a delta */
};
/* Nothing is under way, and the cap alone keeps more from being so. */
static inline bool rj_wire_is_held_back(const struct rj_wire_now *wire)
{
	return wire->held && !wire->queued;
}

/* Account the time since the last call; `busy`: workers had work throughout.
 * A long enough busy span becomes a sample of `capacity` (bytes/s). Until there
 * is one with a queue throughout, others stand in for it, and are forgotten
 * then. */
void rj_meter_tick(struct rj_meter *meter, const struct rj_wire_now *now,
		   uint64_t now_us, bool busy, struct rj_smooth *capacity);
/* Likewise of full pages a second, where coding them is what takes the time: the
 * wire had no queue, and pages were coded. Before rj_meter_tick(). Without any
 * coding lately it is forgotten. */
void rj_meter_coding(struct rj_meter *meter, const struct rj_wire_now *now,
		     uint64_t now_us, bool busy, struct rj_smooth *page_rate);
/* `bytes` have come all the way in `us`: the wire carries that at least. Believed
 * as long as little was measured; whatever went wrong before is mended by it. */
void rj_meter_arrived(const struct rj_meter *meter, uint64_t bytes, uint64_t us,
		      struct rj_smooth *capacity);
/* How long no byte has been acknowledged and no page passed by, the cap
 * permitting. */
uint64_t rj_meter_still_us(const struct rj_meter *meter, uint64_t now_us);
#endif
