/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/estimate.h"

#include <math.h>

#include "ramjet.h"

#define WEIGHT 0.3 /* of a new sample */

/* Taken until they are measured: stop, device state, target, resume. */
#define STOP_US        500
#define DEVICE_US      500
#define TARGET_US      500
#define RESUME_US      500
#define FRAME_OVERHEAD 1.01 /* header and table, worst case of single pages */
#define P90_SIGMAS     1.28 /* of a normal distribution */
#define FOREVER_US     1e12 /* what never ends; sums of it do not overflow */

void rj_smooth_add(struct rj_smooth *smooth, double sample)
{
	const double delta = sample - smooth->mean;

	if (!smooth->samples++) {
		smooth->mean = sample;
		return;
	}
	/* West, "Updating mean and variance estimates", CACM 1979, weighted. */
	smooth->mean += WEIGHT * delta;
	smooth->variance =
		(1 - WEIGHT) * (smooth->variance + WEIGHT * delta * delta);
}

double rj_smooth_spread(const struct rj_smooth *smooth)
{
	return sqrt(smooth->variance);
}

void rj_estimate_sent(struct rj_estimate *estimate, uint64_t wire_bytes,
		      uint64_t raw_pages, uint64_t zero_pages, uint64_t us)
{
	const uint64_t pages = raw_pages + zero_pages;

	if (pages)
		rj_smooth_add(&estimate->raw_share,
			      (double)raw_pages / (double)pages);
	if (raw_pages && us)
		rj_smooth_add(&estimate->capacity,
			      (double)wire_bytes * 1e6 / (double)us);
}

void rj_estimate_synced(struct rj_estimate *estimate, uint64_t pages,
			uint64_t interval_us, uint64_t sync_us)
{
	rj_smooth_add(&estimate->sync_us, (double)sync_us);
	if (interval_us)
		rj_smooth_add(&estimate->dirty_per_s,
			      (double)pages * 1e6 / (double)interval_us);
}

static double pages_us(const struct rj_estimate *estimate,
		       const struct rj_pause_inputs *inputs, double capacity)
{
	/* The guest writes on until it has stopped. */
	const double dirt = estimate->dirty_per_s.mean * STOP_US / 1e6;
	const double bytes = ((double)inputs->unsent_pages + dirt) *
			     estimate->raw_share.mean * RAMJET_PAGE_BYTES *
			     FRAME_OVERHEAD;

	if (inputs->cap_bytes_per_s &&
	    capacity > (double)inputs->cap_bytes_per_s)
		capacity = (double)inputs->cap_bytes_per_s;
	/* A stalled channel has no capacity at all: then it takes for ever. */
	return bytes > 0 ? fmin(bytes * 1e6 / capacity, FOREVER_US) : 0;
}

void rj_estimate_pause(const struct rj_estimate *estimate,
		       const struct rj_pause_inputs *inputs,
		       struct rj_pause *ret)
{
	const struct rj_smooth *capacity = &estimate->capacity;
	double slow;

	*ret = (struct rj_pause){
		.stop_us = STOP_US,
		.sync_us = (uint64_t)estimate->sync_us.mean,
		.device_us = DEVICE_US,
		.target_us = TARGET_US + (uint64_t)estimate->rtt_us,
		.resume_us = RESUME_US + (uint64_t)estimate->rtt_us,
		/* Nothing left: no capacity is needed. */
		.known = capacity->samples || !inputs->unsent_pages,
	};
	if (!ret->known)
		return;
	ret->p50_us = ret->stop_us + ret->sync_us + ret->device_us +
		      ret->target_us + ret->resume_us;
	ret->p90_us =
		ret->p50_us +
		(uint64_t)(P90_SIGMAS * rj_smooth_spread(&estimate->sync_us));
	if (!capacity->samples)
		return;
	ret->pages_us = (uint64_t)pages_us(estimate, inputs, capacity->mean);
	ret->p50_us += ret->pages_us;
	/* A slow moment: at most 4 times slower, whatever the spread says. */
	slow = fmax(capacity->mean - P90_SIGMAS * rj_smooth_spread(capacity),
		    capacity->mean / 4);
	ret->p90_us += (uint64_t)pages_us(estimate, inputs, slow);
}
