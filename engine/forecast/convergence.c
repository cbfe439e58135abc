/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/forecast/convergence.h"

/* Shares and counts are chosen (bench/convergence shows what they do): to decide
 * earlier is to throttle or give up for what was chance, later is time in which
 * nothing gets better. */

/* A round that dirties more than this share of what it sent gets nowhere. */
#define STUCK_SHARE 0.7
/* Unthrottled, the guest would dirty less than this share: let it go. */
#define CALM_SHARE      0.4
#define STUCK_ROUNDS    2u
#define CALM_ROUNDS     2u
#define HOPELESS_ROUNDS 8u
#define BEST_ROUNDS     16u /* how long a best pause is remembered */
#define WORTHWHILE      0.7 /* share of the pause a round must save to */
#define POLISH_ROUNDS   16u
#define SHORTER         0.9 /* share of the shortest pause: worth having had */
#define VAIN_ROUNDS     3u  /* in a row; fewer may be a matter of chance */
#define NOTICED_US      1000u /* what it must save at least */
#define GOOD_MOMENT     1.15  /* of the best pause seen lately */

static void remember_best(struct rj_convergence *c, uint64_t p50_us)
{
	if (!c->best_us || p50_us <= c->best_us ||
	    ++c->best_age > BEST_ROUNDS) {
		c->best_us = p50_us;
		c->best_age = 0;
	}
}

static bool throttle_up(struct rj_convergence *c,
			const struct ramjet_params *params)
{
	uint32_t percent =
		c->throttle_percent
			? c->throttle_percent + params->throttle_step_percent
			: params->throttle_initial_percent;

	if (percent > params->throttle_max_percent)
		percent = params->throttle_max_percent;
	if (percent == c->throttle_percent)
		return false;
	c->throttle_percent = percent;
	return true;
}

static void throttle_down(struct rj_convergence *c,
			  const struct ramjet_params *params)
{
	const uint32_t step = params->throttle_step_percent;

	c->throttle_percent =
		c->throttle_percent > params->throttle_initial_percent &&
				c->throttle_percent > step
			? c->throttle_percent - step
			: 0;
}

/*
 * Would a guest at full speed still be outrun? While the pause does not fit, by
 * what rounds send. When it fits, and rounds go on at leisure, they send no more
 * than is written: then what counts is what they could.
 */
static bool is_calm(const struct rj_convergence *c,
		    const struct rj_round_outcome *outcome)
{
	const double speed = 1 - c->throttle_percent / 100.0;
	const double room =
		outcome->fits ? outcome->room_bytes : outcome->sent_bytes;

	return outcome->dirtied_bytes / speed <= CALM_SHARE * room;
}

static enum rj_advice hopeless(struct rj_convergence *c,
			       const struct rj_round_outcome *outcome,
			       const struct ramjet_params *params)
{
	if (c->hopeless < HOPELESS_ROUNDS)
		return RJ_ADVICE_GO_ON;
	if (params->on_no_convergence == RAMJET_NO_CONVERGENCE_FAIL)
		return RJ_ADVICE_GIVE_UP;
	if (params->on_no_convergence == RAMJET_NO_CONVERGENCE_SWITCH &&
	    (double)outcome->p50_us <= GOOD_MOMENT * (double)c->best_us)
		return RJ_ADVICE_GO_ANYWAY;
	return RJ_ADVICE_GO_ON;
}

static void count_vain_round(struct rj_convergence *c, uint64_t p50_us)
{
	if (c->polish_us && (double)p50_us >= SHORTER * (double)c->polish_us) {
		c->in_vain++;
		return;
	}
	c->polish_us = p50_us;
	c->in_vain = 0;
}

/*
 * It fits: but if one more round makes the pause much shorter, have that. As
 * long as they do: some that were to bring much, and brought next to nothing,
 * are the last.
 */
static enum rj_advice polish(struct rj_convergence *c,
			     const struct rj_round_outcome *outcome)
{
	count_vain_round(c, outcome->p50_us);
	if (c->in_vain >= VAIN_ROUNDS || c->polished >= POLISH_ROUNDS ||
	    outcome->next_us + NOTICED_US > outcome->p50_us ||
	    (double)outcome->next_us >= WORTHWHILE * (double)outcome->p50_us)
		return RJ_ADVICE_SWITCH;
	c->polished++;
	return RJ_ADVICE_GO_ON;
}

enum rj_advice rj_convergence_advise(struct rj_convergence *c,
				     const struct rj_round_outcome *outcome,
				     const struct ramjet_params *params)
{
	const bool stuck =
		outcome->dirtied_bytes > STUCK_SHARE * outcome->sent_bytes;

	if (!outcome->known)
		return RJ_ADVICE_GO_ON;
	remember_best(c, outcome->p50_us);
	c->stuck = stuck && !outcome->fits ? c->stuck + 1 : 0;
	c->calm = c->throttle_percent && is_calm(c, outcome) ? c->calm + 1 : 0;
	if (outcome->fits && outcome->caught_up && outcome->wanted)
		return polish(c, outcome);
	if (c->throttle_percent &&
	    (c->calm >= CALM_ROUNDS || !outcome->can_throttle)) {
		c->calm = 0;
		throttle_down(c, params);
		return RJ_ADVICE_THROTTLE;
	}
	if (outcome->fits) {
		c->hopeless = 0;
		return outcome->caught_up ? RJ_ADVICE_SWITCH : RJ_ADVICE_GO_ON;
	}
	if (c->stuck < STUCK_ROUNDS)
		return hopeless(c, outcome, params);
	if (outcome->can_throttle && throttle_up(c, params)) {
		c->stuck = c->hopeless = 0;
		return RJ_ADVICE_THROTTLE;
	}
	c->hopeless++;
	return hopeless(c, outcome, params);
}
