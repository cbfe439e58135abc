/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_STATS_SMOOTH_H
#define RJ_ENGINE_STATS_SMOOTH_H
/* A smoothed figure and its spread: exponentially weighted mean and variance
 * (West, "Updating mean and variance estimates", CACM 22(9), 1979). */

struct rj_smooth {
	double mean;
	double variance;
	unsigned samples;
};

void rj_smooth_add(struct rj_smooth *smooth, double sample);
/* With a weight of its own, 0 to 1, of the new sample. */
void rj_smooth_add_weighted(struct rj_smooth *smooth, double sample,
			    double weight);
/* Of times: delays only ever make them longer. A first sample that the second
 * shows to be one is forgotten. */
void rj_smooth_add_time(struct rj_smooth *smooth, double sample);
/* Standard deviation. */
double rj_smooth_spread(const struct rj_smooth *smooth);
#endif
