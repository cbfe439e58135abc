/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/stats/smooth.h"

#include <math.h>

/* Chosen: half of the mean is from the newest two samples. A smaller weight is
 * less noise, and follows a change later. */
#define WEIGHT 0.3 /* of a new sample */
/* A first time that the second shows to be a delay is forgotten: a source that
 * was stopped right then never switched (3 of 60 moves). */
#define OUTLIER 0.25 /* of the first time, if the second is less */

void rj_smooth_add(struct rj_smooth *smooth, double sample)
{
	rj_smooth_add_weighted(smooth, sample, WEIGHT);
}

void rj_smooth_add_weighted(struct rj_smooth *smooth, double sample,
			    double weight)
{
	const double delta = sample - smooth->mean;

	if (!smooth->samples++) {
		smooth->mean = sample;
		return;
	}
	smooth->mean += weight * delta;
	smooth->variance =
		(1 - weight) * (smooth->variance + weight * delta * delta);
}

void rj_smooth_add_time(struct rj_smooth *smooth, double sample)
{
	if (smooth->samples == 1 && sample < smooth->mean * OUTLIER)
		smooth->samples = 0;
	rj_smooth_add(smooth, sample);
}

double rj_smooth_spread(const struct rj_smooth *smooth)
{
	return sqrt(smooth->variance);
}
