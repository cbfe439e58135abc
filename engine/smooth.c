/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/smooth.h"

#include <math.h>

#define WEIGHT 0.3 /* of a new sample */

void rj_smooth_add(struct rj_smooth *smooth, double sample)
{
	const double delta = sample - smooth->mean;

	if (!smooth->samples++) {
		smooth->mean = sample;
		return;
	}
	smooth->mean += WEIGHT * delta;
	smooth->variance =
		(1 - WEIGHT) * (smooth->variance + WEIGHT * delta * delta);
}

double rj_smooth_spread(const struct rj_smooth *smooth)
{
	return sqrt(smooth->variance);
}
