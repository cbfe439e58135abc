/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each term has a mean; p50 is the sum of the means. Terms that vary have a
 * spread as well, taken as independent, so that their squares add up; p90 is
 * p50 + 1.28 spreads. The spread of the pages term is what it would take longer
 * if the wire were slower by one spread of the measured capacity.
 *
 * What happens beside something else is counted once: helpers save and devices
 * are saved while pages are sent, so pages cost only what is longer than both.
 *
 * Memory fades: what a last sync found beyond the dirt model (surprise), and a
 * stop that was slow, are expected again, but less each round.
 */
#include "engine/forecast/estimate.h"

#include <math.h>

#include "ramjet.h"

/* Where nothing else is said, figures are chosen: larger ones are kept more
 * often by the pauses that come, and make guests wait that would have fitted.
 * bench/downtime compares the two. */

/* Taken until they are measured. */
#define STOP_US  300.0
#define ROUND_US 300.0 /* an empty round beside its round trip */
/* Never measured before they count, unless this guest was moved before. */
#define DEVICE_US 300u
#define TARGET_US 300u
#define RESUME_US 200u
#define HINT_HALF 0.5 /* of it for saving, the rest for loading */

/* Headers and tables: 8 bytes a run of one page are 0.2 %; twice that. */
#define WIRE_OVERHEAD 1.004
/* Of a page that is coded: a run's entry, and the size after it. */
#define ENTRY_BYTES 16.0
/* Of the newest round. Chosen: a level that changes is a step, and known within
 * 10 % after four rounds; what differs from round to round is in the spread. */
#define BYTES_WEIGHT 0.5
/* Rounds of fewer tell little, and fences are as many bytes. */
#define TELLING_PAGES 64u
#define P90_SIGMAS    1.28 /* of a normal distribution */
/* Devices never take the same time twice. */
#define STATE_SHARE 0.1
/* Threads wait for a core now and then, whatever was measured. */
#define JITTER_US 2000.0
/* And channels never end at the same moment. */
#define UNEVEN_SHARE  0.05
#define SLOWEST_SHARE 0.25 /* of the capacity, whatever the spread says */
#define SHARE_WEIGHT  0.3
/* Of a capacity that is given: a cap holds within 10 % over 100 ms (decision
 * 015). With none, 81 % of 16 predictions under a cap were kept. */
#define GIVEN_SPREAD 0.1
/* What never ends; sums of it do not overflow. */
#define FOREVER_US 1e12
/* From one round to the next: half is left after 3 rounds. */
#define SURPRISE_KEPT 0.8
/* 4 PiB: more than any guest (dirty/bitmap.c). */
#define ROOM_MOST 1099511627776.0
/* Looked at for convergence; further rounds come to the same each. */
#define ROUNDS_AHEAD 64u
/* Slower than this is slow; and forgotten at most 64 times as slowly. */
#define SLOW_STOP_US  2000.0
#define STOP_HALVINGS 6u

void rj_estimate_pages(struct rj_estimate *estimate, uint64_t raw_pages,
		       uint64_t zero_pages)
{
	const double pages = (double)raw_pages + (double)zero_pages;
	double share;

	if (pages <= 0)
		return;
	share = (double)raw_pages / pages;
	if (estimate->raw_share <= 0)
		estimate->raw_share = share;
	estimate->raw_share += SHARE_WEIGHT * (share - estimate->raw_share);
}

void rj_estimate_bytes(struct rj_estimate *estimate, uint64_t raw_pages,
		       uint64_t payload_bytes, bool first)
{
	struct rj_smooth *bytes = &estimate->full_bytes;

	if (raw_pages < TELLING_PAGES)
		return;
	if (estimate->bytes_of_first && !first)
		*bytes = (struct rj_smooth){ 0 };
	estimate->bytes_of_first = first;
	rj_smooth_add_weighted(bytes, (double)payload_bytes / (double)raw_pages,
			       BYTES_WEIGHT);
}

/* Of a full page, with what headers and tables add; `spreads` more than lately. */
static double full_bytes(const struct rj_estimate *estimate, double spreads)
{
	const struct rj_smooth *bytes = &estimate->full_bytes;
	const double raw = RAMJET_PAGE_BYTES * WIRE_OVERHEAD;

	if (!bytes->samples)
		return raw;
	return fmin((bytes->mean + spreads * rj_smooth_spread(bytes)) *
				    WIRE_OVERHEAD +
			    ENTRY_BYTES,
		    raw);
}

static double full_share(const struct rj_estimate *estimate)
{
	return estimate->raw_share > 0 ? estimate->raw_share : 1;
}

double rj_estimate_page_bytes(const struct rj_estimate *estimate)
{
	return full_share(estimate) * full_bytes(estimate, 0);
}

bool rj_estimate_is_cpu_bound(const struct rj_estimate *estimate)
{
	return estimate->page_rate.samples && estimate->capacity.samples &&
	       full_bytes(estimate, 0) * estimate->page_rate.mean <
		       estimate->capacity.mean;
}

/* The share of a slow stop that is remembered a round later. */
static double stop_kept(const struct rj_estimate *estimate)
{
	const unsigned halvings =
		estimate->slow_stops > 1 ? estimate->slow_stops - 1 : 0;

	return 1 -
	       (1 - SURPRISE_KEPT) / (double)(1u << (halvings < STOP_HALVINGS
							     ? halvings
							     : STOP_HALVINGS));
}

static double usual_stop_us(const struct rj_estimate *estimate)
{
	return (double)rj_state_cost_us(&estimate->costs.stop,
					(uint64_t)STOP_US);
}

static double expected_stop_us(const struct rj_estimate *estimate)
{
	return usual_stop_us(estimate) + estimate->slow_stop_us;
}

void rj_estimate_stopped(struct rj_estimate *estimate, uint64_t us)
{
	const double beyond = (double)us - usual_stop_us(estimate);

	estimate->slow_stops =
		beyond > SLOW_STOP_US ? estimate->slow_stops + 1 : 0;
	estimate->slow_stop_us = fmax(beyond, 0);
}

void rj_estimate_synced(struct rj_estimate *estimate, uint64_t pages,
			uint64_t interval_us, uint64_t sync_us, bool last)
{
	rj_smooth_add_time(last ? &estimate->last_us : &estimate->sync_us,
			   (double)sync_us);
	/* A burst need not come again: it is forgotten round by round. */
	estimate->surprise *= SURPRISE_KEPT;
	estimate->slow_stop_us *= stop_kept(estimate);
	rj_dirt_model_add(&estimate->dirt, (double)interval_us, (double)pages);
}

void rj_estimate_rehearsed(struct rj_estimate *estimate, uint64_t us)
{
	rj_smooth_add_time(&estimate->last_us, (double)us);
}

/* Of the last collect. */
static const struct rj_smooth *last_sync(const struct rj_estimate *estimate)
{
	return estimate->last_us.samples ? &estimate->last_us
					 : &estimate->sync_us;
}

void rj_estimate_surprised(struct rj_estimate *estimate, uint64_t pages,
			   uint64_t us)
{
	const double expected =
		rj_dirt_model_pages(&estimate->dirt, (double)us);
	const double beyond = (double)pages - expected;

	estimate->surprise = fmax(beyond, estimate->surprise / 2);
}

static double measured_or(const struct rj_smooth *smooth, double otherwise)
{
	return smooth->samples ? smooth->mean : otherwise;
}

/* Dirt that will still come before the guest stands still. */
static double expected_dirt(const struct rj_estimate *estimate,
			    const struct rj_pause_inputs *inputs)
{
	const double until_us = expected_stop_us(estimate);

	if (inputs->stopped)
		return 0;
	return rj_dirt_model_pages(&estimate->dirt, until_us) +
	       estimate->surprise;
}

/* From the last page's start until it is known to have come. */
static double latency_us(const struct rj_estimate *estimate)
{
	return fmax(
		measured_or(&estimate->latency_us, ROUND_US + estimate->rtt_us),
		estimate->rtt_us);
}

static double rtt_spread(const struct rj_estimate *estimate)
{
	return fmax(estimate->rtt_high_us - estimate->rtt_us, 0) / P90_SIGMAS;
}

static double latency_spread(const struct rj_estimate *estimate)
{
	return fmax(rj_smooth_spread(&estimate->latency_us),
		    rtt_spread(estimate));
}

/* What pages are sent with. */
struct pace {
	double capacity;   /* bytes/s */
	double page_rate;  /* full pages/s; 0: coding does not bound */
	double full_bytes; /* of each */
};

static double pages_us(const struct rj_estimate *estimate,
		       const struct rj_pause_inputs *inputs,
		       const struct pace *pace)
{
	const double pages =
		(inputs->unsent_pages + expected_dirt(estimate, inputs)) *
		full_share(estimate);
	const double bytes = pages * pace->full_bytes + inputs->queued_bytes;
	/* A stalled channel has no capacity at all: then it takes for ever. */
	const double wire_us =
		bytes > 0 ? fmin(bytes * 1e6 / pace->capacity, FOREVER_US) : 0;
	const double coding_us =
		pace->page_rate > 0 ? pages * 1e6 / pace->page_rate : 0;
	const double way_us = fmax(wire_us, coding_us);

	/* What is overdue will take as long again, for all that is known. */
	return latency_us(estimate) + fmax(way_us, inputs->overdue_us);
}

/* One spread slower than usual, but not stalled. */
static double slow(double mean, double spread)
{
	return fmax(mean - spread, mean * SLOWEST_SHARE);
}

/* Mean and standard deviation of the pages term. */
static void pages_term(const struct rj_estimate *estimate,
		       const struct rj_pause_inputs *inputs, double *ret_mean,
		       double *ret_spread)
{
	const struct rj_smooth *capacity = &estimate->capacity;
	const struct rj_smooth *rate = &estimate->page_rate;
	/* The measured one's spread says nothing of one that is given. */
	const bool given = inputs->capacity > 0;
	const double mean = given ? inputs->capacity : capacity->mean;
	const double spread =
		given ? mean * GIVEN_SPREAD : rj_smooth_spread(capacity);
	const struct pace usual = {
		.capacity = mean,
		.page_rate = rate->mean,
		.full_bytes = full_bytes(estimate, 0),
	};
	const struct pace slower = {
		.capacity = slow(mean, spread),
		.page_rate = slow(rate->mean, rj_smooth_spread(rate)),
		.full_bytes = full_bytes(estimate, 1),
	};

	*ret_mean = pages_us(estimate, inputs, &usual);
	*ret_spread = pages_us(estimate, inputs, &slower) - *ret_mean +
		      latency_spread(estimate);
}

static uint64_t half_hint_us(const struct rj_estimate *estimate)
{
	return (uint64_t)(HINT_HALF * estimate->state_hint_us);
}

/* Terms that pages have no part in. */
static void other_terms(const struct rj_estimate *estimate,
			struct rj_pause *ret)
{
	const struct rj_state_costs *costs = &estimate->costs;
	const uint64_t hint_us = half_hint_us(estimate);

	*ret = (struct rj_pause){
		.stop_us = (uint64_t)expected_stop_us(estimate),
		.sync_us = (uint64_t)last_sync(estimate)->mean,
		.device_us = rj_state_cost_us(&costs->save,
					      hint_us ? hint_us : DEVICE_US),
		.helpers_us = (uint64_t)estimate->helpers_us,
		/* Its answer follows the last pages' at once. */
		.target_us = TARGET_US,
		.load_us = rj_state_cost_us(&costs->load, hint_us),
		.resume_us = RESUME_US + (uint64_t)estimate->rtt_us +
			     rj_state_cost_us(&costs->start, 0),
	};
}

/* What goes on while pages are sent takes none of the pause but what is longer
 * than they are. */
static double beside(double pages_us, const struct rj_pause *pause)
{
	return fmax(pages_us - (double)(pause->helpers_us + pause->device_us),
		    0);
}

void rj_estimate_pause(const struct rj_estimate *estimate,
		       const struct rj_pause_inputs *inputs,
		       struct rj_pause *ret)
{
	const bool measured =
		estimate->capacity.samples || inputs->capacity > 0;
	double pages = latency_us(estimate);
	double pages_spread = latency_spread(estimate);
	double sum, spread, state;

	other_terms(estimate, ret);
	ret->known = measured || inputs->unsent_pages < 1;
	if (!ret->known)
		return;
	if (measured)
		pages_term(estimate, inputs, &pages, &pages_spread);
	pages = beside(pages, ret);
	ret->pages_us = (uint64_t)pages;
	sum = (double)(ret->stop_us + ret->sync_us + ret->device_us +
		       ret->helpers_us + ret->target_us + ret->load_us +
		       ret->resume_us) +
	      pages;
	state = STATE_SHARE * (double)(ret->device_us + ret->load_us);
	spread = sqrt(pages_spread * pages_spread +
		      last_sync(estimate)->variance + JITTER_US * JITTER_US +
		      state * state +
		      UNEVEN_SHARE * UNEVEN_SHARE * pages * pages +
		      rtt_spread(estimate) * rtt_spread(estimate));
	ret->p50_us = (uint64_t)sum;
	ret->p90_us = (uint64_t)(sum + P90_SIGMAS * spread);
}

uint64_t rj_estimate_room(const struct rj_estimate *estimate,
			  const struct rj_pause_inputs *inputs, double us)
{
	struct rj_pause_inputs with = *inputs;
	double fits = 0, beyond = ROOM_MOST;
	struct rj_pause pause;

	with.queued_bytes = with.overdue_us = 0;
	while (beyond - fits > 1) {
		with.unsent_pages = floor((fits + beyond) / 2);
		rj_estimate_pause(estimate, &with, &pause);
		if (pause.known && (double)pause.p90_us <= us)
			fits = with.unsent_pages;
		else
			beyond = with.unsent_pages;
	}
	return (uint64_t)fits;
}

/* What is left to send after a round that sends what is left now, but for what is
 * held back. */
static double advance(const struct rj_estimate *estimate,
		      struct rj_pause_inputs *ahead,
		      const struct rj_pause *pause)
{
	struct rj_pause_inputs in_turn = *ahead;
	struct rj_pause turn = *pause;
	double round_us;

	if (ahead->held_pages > 0) {
		in_turn.unsent_pages =
			fmax(ahead->unsent_pages - ahead->held_pages, 0);
		rj_estimate_pause(estimate, &in_turn, &turn);
	}
	round_us = (double)turn.pages_us + estimate->sync_us.mean;
	ahead->queued_bytes = 0;
	ahead->unsent_pages =
		fmax(rj_dirt_model_pages(&estimate->dirt, round_us),
		     ahead->held_pages);
	return round_us;
}

uint64_t rj_estimate_next_us(const struct rj_estimate *estimate,
			     const struct rj_pause_inputs *inputs)
{
	struct rj_pause_inputs ahead = *inputs;
	struct rj_pause pause;

	rj_estimate_pause(estimate, &ahead, &pause);
	(void)advance(estimate, &ahead, &pause);
	rj_estimate_pause(estimate, &ahead, &pause);
	return pause.p50_us;
}

uint64_t rj_estimate_convergence(const struct rj_estimate *estimate,
				 const struct rj_pause_inputs *inputs,
				 uint64_t limit_us)
{
	struct rj_pause_inputs ahead = *inputs;
	struct rj_pause pause;
	double total_us = 0;

	for (unsigned i = 0; i < ROUNDS_AHEAD; i++) {
		rj_estimate_pause(estimate, &ahead, &pause);
		if (!pause.known)
			return UINT64_MAX;
		if (pause.p90_us <= limit_us)
			return (uint64_t)total_us;
		total_us += advance(estimate, &ahead, &pause);
	}
	return UINT64_MAX;
}
