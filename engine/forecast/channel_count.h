/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_FORECAST_CHANNEL_COUNT_H
#define RJ_ENGINE_FORECAST_CHANNEL_COUNT_H
/*
 * How many channels should work: climbing by measured marginal gain.
 *
 * Goal      Within 5 % of the best fixed number, without being told whether
 *           CPUs, the path or each single connection is the limit.
 * Windows   The rate counts over windows of busy time, an unsettled span after
 *           each change left out: sockets first swallow what they can hold.
 * Duels     Another number is tried against the present one: its windows must
 *           lose or win clearly, else the present number has another turn, so
 *           that a rate that drifts anyway is nobody's merit. Whoever falls
 *           far behind loses before its first window is over.
 * Steps     up: while there is gain, larger after each that nearly paid in
 *           full; down: one at a time, kept when next to nothing is lost, in
 *           all steps down together. What it takes to go up is more than what
 *           is given away by going down: it does not swing.
 * Rarely    A duel lost doubles the wait for the next in its direction; a rate
 *           that is no longer what it was starts afresh.
 *
 * No clock, no threads: whoever feeds it owns it.
 */
#include <stdbool.h>
#include <stdint.h>

struct rj_channel_count_options {
	unsigned first;     /* to begin with, 1 to max */
	unsigned max;       /* channels there are */
	uint32_t window_us; /* 0: the shortest that tells something */
	uint32_t rtt_us;    /* of the path, idle; 0: unknown */
};

/* What has happened up to now. */
struct rj_channel_sample {
	uint64_t now_us;
	uint64_t bytes; /* acknowledged, of all channels, so far */
	bool busy;      /* all active channels had work since the last one */
	bool capped;    /* something else holds the rate down */
};

enum rj_channel_event {
	RJ_CHANNELS_SAME,
	RJ_CHANNELS_TRY,  /* a duel begins */
	RJ_CHANNELS_TURN, /* the number there was has its turn again */
	RJ_CHANNELS_KEEP, /* the duel is over: the new number stays */
	RJ_CHANNELS_BACK, /* the duel is over: it does not */
};

struct rj_channel_duel {
	enum rj_channel_event event; /* of the latest feed */
	unsigned from, to;
	double gain; /* of `to` over `from`, 0.05: 5 %; once it is over */
};

struct rj_channel_count {
	uint32_t window_us, settle_us;
	unsigned max;
	unsigned count; /* settled on */
	enum {
		RJ_CHANNELS_SETTLED,
		RJ_CHANNELS_CHALLENGE, /* duel.to works */
		RJ_CHANNELS_REPLY,     /* duel.from, once more */
	} phase;
	struct rj_channel_duel duel;
	/* the window */
	bool was_busy;
	uint64_t seen_us, seen_bytes;
	uint64_t busy_us; /* all in all */
	uint64_t settle_left_us;
	uint64_t part_us, part_bytes;
	/* the settled number's rate, in bytes/s */
	double mean;
	double kept; /* of the rate, after what steps down have cost */
	unsigned means, odd;
	/* the duel's */
	double before;
	double won[2];
	unsigned windows;
	/* when to try next, on the scale of busy_us */
	uint64_t up_us, down_us, up_wait_us, down_wait_us;
	unsigned step; /* up */
	bool leap;     /* it is a large one, since a small one failed */
};

void rj_channel_count_init(struct rj_channel_count *cc,
			   const struct rj_channel_count_options *options);
/* How many should be active from now on. cc->duel says what was decided. */
unsigned rj_channel_count_feed(struct rj_channel_count *cc,
			       const struct rj_channel_sample *sample);
/* Give an open duel up, and return the number settled on: for a moment at
 * which nothing is to be tried. */
unsigned rj_channel_count_settle(struct rj_channel_count *cc);
#endif
