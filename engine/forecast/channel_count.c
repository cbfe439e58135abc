/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A number has a rate when a window is over: window_us of busy time. Each
 * change of the number is followed by settle_us that nobody measures.
 *
 * state      measured             leaves to            when
 * SETTLED    count: the mean of   CHALLENGE, count +   a window's end, up_us
 *            its windows            step               has come
 *                                 CHALLENGE, count - 1 else down_us has come
 *                                 SETTLED, afresh      3 windows in a row are
 *                                                      off the mean by 25 %
 * CHALLENGE  duel.to: one or two  SETTLED, lost        after a third of a window
 *            windows                                   15 % behind; or a window
 *                                                      no better (up), or 4 %
 *                                                      worse (down)
 *                                 SETTLED, won         two windows: 20 % better,
 *                                                      the second 5 %
 *                                 REPLY                two windows, else
 * REPLY      duel.from, again:    SETTLED, won         up: 5 % over the mean of
 *            one window                                before and after, each
 *                                                      window over both; down:
 *                                                      2 % lost at most, 3 %
 *                                                      in all steps down
 *                                 SETTLED, lost        else
 * any        nothing              SETTLED, no verdict  capped, or asked to
 *                                                      settle
 *
 * Lost puts the next challenge of that direction off (put_off()), won plans the
 * next step (plan_after_gain()).
 */
#include "engine/forecast/channel_count.h"

#include <assert.h>

/* Where nothing else is said, the figures are those of decision 016, tried out
 * on simulated links (tests/unit: channel_count). */

/* A shorter window tells more about sockets and the scheduler. */
#define WINDOW_US 100000u
#define SETTLE_US 20000u
/* Slow start and what the path holds count for nothing. The most is chosen: a
 * window of a satellite's path would outlast the migration. */
#define RTTS        16u
#define SPAN_US_MAX 3000000u
/* Less says nothing about a rate, unless it is all that comes for long. Chosen:
 * half a frame, and longer than anybody wants to wait for a verdict. */
#define WINDOW_BYTES  (UINT64_C(1) << 20)
#define WINDOW_US_MAX 2000000u
/* A short migration is over before the first try. The first waits after a loss
 * are chosen: shorter ones try more often in vain, longer ones find later what
 * has changed. */
#define FIRST_UP_US      250000u
#define FIRST_DOWN_US    3000000u
#define UP_WAIT_US       1000000u
#define DOWN_WAIT_US     2000000u
#define UP_WAIT_US_MAX   60000000u
#define DOWN_WAIT_US_MAX 120000000u

#define GAIN_MIN     0.05 /* what more channels must bring */
#define CLEAR_GAIN   0.20 /* with this, the old number is not measured again */
#define LOSS_MAX     0.02 /* what fewer channels may cost, a step, */
#define LOSS_SUM_MAX 0.03 /* and in all */
#define FAR_BEHIND   0.85 /* of the rate before: lost at once */
#define ODD_SHARE    0.25 /* a rate that is off by this, */
#define ODD_WINDOWS  3u   /* so often in a row, is another rate */
/* Of the newest window in the mean, at least. Chosen: a mean of some 7 windows;
 * more would follow a drift too late. */
#define MEAN_SHARE 0.15

static uint32_t lesser(uint64_t a, uint32_t b)
{
	return a < b ? (uint32_t)a : b;
}

static void start_afresh(struct rj_channel_count *cc)
{
	cc->means = cc->odd = 0;
	cc->kept = 1;
	cc->up_wait_us = UP_WAIT_US;
	cc->down_wait_us = DOWN_WAIT_US;
	cc->step = 1;
	cc->leap = false;
}

void rj_channel_count_init(struct rj_channel_count *cc,
			   const struct rj_channel_count_options *options)
{
	const uint64_t rtts_us = (uint64_t)options->rtt_us * RTTS;

	assert(options->first && options->first <= options->max);
	*cc = (struct rj_channel_count){
		.count = options->first,
		.max = options->max,
		.window_us = options->window_us > WINDOW_US ? options->window_us
							    : WINDOW_US,
		.settle_us = SETTLE_US,
		.up_us = FIRST_UP_US,
		.down_us = FIRST_DOWN_US,
	};
	if (rtts_us > cc->window_us)
		cc->window_us = lesser(rtts_us, SPAN_US_MAX);
	if (rtts_us > cc->settle_us)
		cc->settle_us = lesser(rtts_us, SPAN_US_MAX);
	cc->settle_left_us = cc->settle_us;
	start_afresh(cc);
}

static unsigned active(const struct rj_channel_count *cc)
{
	return cc->phase == RJ_CHANNELS_CHALLENGE ? cc->duel.to : cc->count;
}

static void new_window(struct rj_channel_count *cc)
{
	cc->part_us = cc->part_bytes = 0;
}

static void unsettle(struct rj_channel_count *cc)
{
	new_window(cc);
	cc->settle_left_us = cc->settle_us;
}

static bool is_upward(const struct rj_channel_count *cc)
{
	return cc->duel.to > cc->duel.from;
}

static void challenge(struct rj_channel_count *cc, unsigned to)
{
	if (to > cc->count)
		cc->step = to - cc->count;
	cc->duel = (struct rj_channel_duel){
		.event = RJ_CHANNELS_TRY,
		.from = cc->count,
		.to = to,
	};
	cc->before = cc->mean;
	cc->windows = 0;
	cc->phase = RJ_CHANNELS_CHALLENGE;
	unsettle(cc);
}

static uint64_t doubled(uint64_t us, uint64_t max)
{
	return us * 2 < max ? us * 2 : max;
}

/* A step that failed is tried smaller; the smallest one larger, since little
 * gains may add up. */
static void put_off(struct rj_channel_count *cc)
{
	if (!is_upward(cc)) {
		cc->down_us = cc->busy_us + cc->down_wait_us;
		cc->down_wait_us = doubled(cc->down_wait_us, DOWN_WAIT_US_MAX);
		return;
	}
	if (cc->step > 1 && !cc->leap) {
		cc->step /= 2;
		cc->up_us = cc->busy_us;
		return;
	}
	cc->up_us = cc->busy_us + cc->up_wait_us;
	cc->leap = !cc->leap && cc->count > 1 && cc->duel.to < cc->max;
	cc->step = cc->leap ? cc->count : 1;
	if (!cc->leap)
		cc->up_wait_us = doubled(cc->up_wait_us, UP_WAIT_US_MAX);
}

static void lose(struct rj_channel_count *cc, double gain)
{
	const bool unsettled = cc->phase == RJ_CHANNELS_CHALLENGE;

	cc->duel.event = RJ_CHANNELS_BACK;
	cc->duel.gain = gain;
	cc->phase = RJ_CHANNELS_SETTLED;
	put_off(cc);
	if (unsettled)
		unsettle(cc);
}

static double lesser_share(double share)
{
	return share < 1 ? share : 1;
}

/* What a step up pays in full is proportional to the channels added. */
static void plan_after_gain(struct rj_channel_count *cc, double gain)
{
	const double full = (double)cc->duel.to / (double)cc->duel.from - 1.0;

	cc->leap = false;
	cc->kept = lesser_share(cc->kept * (1 + gain));
	if (is_upward(cc)) {
		cc->step = gain > full / 2 ? cc->step * 2 : 1;
		cc->up_us = cc->busy_us;
		cc->down_us = cc->busy_us + FIRST_DOWN_US;
		cc->down_wait_us = DOWN_WAIT_US;
		return;
	}
	cc->step = 1;
	cc->down_us = cc->busy_us;
	cc->up_us = cc->busy_us + cc->up_wait_us;
}

static void win(struct rj_channel_count *cc, double rate, double gain)
{
	const bool unsettled = cc->phase != RJ_CHANNELS_CHALLENGE;

	cc->duel.event = RJ_CHANNELS_KEEP;
	cc->duel.gain = gain;
	cc->phase = RJ_CHANNELS_SETTLED;
	cc->count = cc->duel.to;
	cc->mean = rate;
	cc->means = 1;
	cc->odd = 0;
	plan_after_gain(cc, gain);
	if (unsettled)
		unsettle(cc);
}

static double challenger_mean(const struct rj_channel_count *cc)
{
	return (cc->won[0] + cc->won[1]) / 2;
}

static bool keeps_up(const struct rj_channel_count *cc, double rate,
		     double before)
{
	const double share = rate / before;

	return share >= 1 - LOSS_MAX && share * cc->kept >= 1 - LOSS_SUM_MAX;
}

/* After one or two windows of the new number: a clear case ends it, otherwise
 * the old number is measured once more. */
static void judge_challenge(struct rj_channel_count *cc, double rate)
{
	const double floor = is_upward(cc) ? 1 : 1 - 2 * LOSS_MAX;
	double gain = rate / cc->before - 1;

	cc->won[cc->windows++] = rate;
	if (rate <= cc->before * floor) {
		lose(cc, gain);
		return;
	}
	if (cc->windows < 2)
		return;
	gain = challenger_mean(cc) / cc->before - 1;
	if (gain > CLEAR_GAIN && cc->won[1] > cc->before * (1 + GAIN_MIN)) {
		win(cc, cc->won[1], gain);
		return;
	}
	cc->phase = RJ_CHANNELS_REPLY;
	cc->duel.event = RJ_CHANNELS_TURN;
	unsettle(cc);
}

static void judge_reply(struct rj_channel_count *cc, double rate)
{
	const double before = (cc->before + rate) / 2;
	const double other = challenger_mean(cc);
	const double best = rate > cc->before ? rate : cc->before;
	const double gain = other / before - 1;

	if (is_upward(cc)
		    ? gain >= GAIN_MIN && cc->won[0] > best && cc->won[1] > best
		    : keeps_up(cc, other, before))
		win(cc, other, gain);
	else
		lose(cc, gain);
}

static bool is_odd(const struct rj_channel_count *cc, double rate)
{
	return rate > cc->mean * (1 + ODD_SHARE) ||
	       rate < cc->mean * (1 - ODD_SHARE);
}

static void take_mean(struct rj_channel_count *cc, double rate)
{
	double share;

	if (cc->means && is_odd(cc, rate)) {
		if (++cc->odd < ODD_WINDOWS)
			return;
		start_afresh(cc);
		cc->up_us = cc->busy_us;
		cc->down_us = cc->busy_us + FIRST_DOWN_US;
	}
	cc->odd = 0;
	share = 1.0 / ++cc->means;
	cc->mean +=
		(share > MEAN_SHARE ? share : MEAN_SHARE) * (rate - cc->mean);
}

static void consider(struct rj_channel_count *cc, double rate)
{
	take_mean(cc, rate);
	if (cc->odd)
		return;
	if (cc->count < cc->max && cc->busy_us >= cc->up_us)
		challenge(cc, cc->count + cc->step < cc->max
				      ? cc->count + cc->step
				      : cc->max);
	else if (cc->count > 1 && cc->busy_us >= cc->down_us)
		challenge(cc, cc->count - 1);
}

static double part_rate(const struct rj_channel_count *cc)
{
	return (double)cc->part_bytes * 1e6 / (double)cc->part_us;
}

static void end_window(struct rj_channel_count *cc)
{
	const double rate = part_rate(cc);

	new_window(cc);
	switch (cc->phase) {
	case RJ_CHANNELS_SETTLED:
		consider(cc, rate);
		break;
	case RJ_CHANNELS_CHALLENGE:
		judge_challenge(cc, rate);
		break;
	case RJ_CHANNELS_REPLY:
		judge_reply(cc, rate);
		break;
	}
}

static void add_span(struct rj_channel_count *cc, uint64_t us, uint64_t bytes)
{
	cc->busy_us += us;
	if (cc->settle_left_us) {
		cc->settle_left_us -= lesser(us, (uint32_t)cc->settle_left_us);
		return;
	}
	cc->part_us += us;
	cc->part_bytes += bytes;
	if (cc->phase == RJ_CHANNELS_CHALLENGE &&
	    cc->part_us >= cc->window_us / 3 &&
	    part_rate(cc) < FAR_BEHIND * cc->before) {
		const double gain = part_rate(cc) / cc->before - 1;

		lose(cc, gain);
		return;
	}
	if (cc->part_us >= cc->window_us &&
	    (cc->part_bytes >= WINDOW_BYTES || cc->part_us >= WINDOW_US_MAX))
		end_window(cc);
}

unsigned rj_channel_count_settle(struct rj_channel_count *cc)
{
	cc->duel.event = RJ_CHANNELS_SAME;
	if (cc->phase != RJ_CHANNELS_SETTLED) {
		cc->phase = RJ_CHANNELS_SETTLED;
		unsettle(cc);
	}
	return cc->count;
}

unsigned rj_channel_count_feed(struct rj_channel_count *cc,
			       const struct rj_channel_sample *sample)
{
	const uint64_t us = sample->now_us - cc->seen_us;
	const uint64_t bytes = sample->bytes - cc->seen_bytes;
	const bool counts = cc->seen_us && sample->busy &&
			    sample->now_us > cc->seen_us &&
			    sample->bytes >= cc->seen_bytes;

	cc->duel.event = RJ_CHANNELS_SAME;
	cc->seen_us = sample->now_us;
	cc->seen_bytes = sample->bytes;
	if (sample->capped) {
		unsettle(cc);
		return rj_channel_count_settle(cc);
	}
	if (counts)
		add_span(cc, us, bytes);
	return active(cc);
}
