/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/forecast/outlook.h"

/* Chosen: a guest may be busy for some seconds and calm down again; after that
 * a person wants to know. */
#define OUT_OF_REACH_US 5000000u
#define NEARER          0.9 /* of the shortest pause so far is progress */
/* The limit that is advised, as a share of the shortest pause seen lately,
 * which need not come so short again. Chosen: with the advised limit it must
 * switch. */
#define HEADROOM 1.1
#define UNIT_US  100u /* a limit is told in these */

static void start_afresh(struct rj_outlook *outlook, uint64_t now_us)
{
	*outlook = (struct rj_outlook){
		.since_us = now_us,
		.window_us = now_us,
		.wait_us = OUT_OF_REACH_US,
	};
}

static void take_shorter(uint64_t *shortest, uint64_t us)
{
	if (!*shortest || us < *shortest)
		*shortest = us;
}

static uint64_t limit_that_would_do(const struct rj_outlook *outlook)
{
	uint64_t shortest = outlook->lately_us[0];

	if (outlook->lately_us[1])
		take_shorter(&shortest, outlook->lately_us[1]);
	return ((uint64_t)((double)shortest * HEADROOM) / UNIT_US + 1) *
	       UNIT_US;
}

bool rj_outlook_look(struct rj_outlook *outlook, uint64_t p90_us, bool fits,
		     uint64_t now_us)
{
	if (fits || !outlook->since_us) {
		start_afresh(outlook, now_us);
		if (fits)
			return false;
	}
	if (now_us - outlook->window_us >= OUT_OF_REACH_US) {
		outlook->window_us = now_us;
		outlook->lately_us[1] = outlook->lately_us[0];
		outlook->lately_us[0] = 0;
	}
	take_shorter(&outlook->lately_us[0], p90_us);
	if (!outlook->nearest_us ||
	    (double)p90_us <= NEARER * (double)outlook->nearest_us) {
		outlook->nearest_us = p90_us;
		outlook->since_us = now_us;
	}
	if (now_us - outlook->since_us < OUT_OF_REACH_US)
		return false;
	outlook->needed_us = limit_that_would_do(outlook);
	if (now_us < outlook->say_us)
		return false;
	outlook->say_us = now_us + outlook->wait_us;
	outlook->wait_us *= 2;
	return true;
}
