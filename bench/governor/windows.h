/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_GOVERNOR_WINDOWS_H
#define BENCH_GOVERNOR_WINDOWS_H
/* What a series of looks at a counter says about its rate. */
#include <stdbool.h>

#define SAMPLES_MAX 16384u

struct series {
	double at_s[SAMPLES_MAX];
	double bytes[SAMPLES_MAX];
	unsigned count;
};

/* How far the mean over any window was from the cap, in percent of it. */
struct windows {
	double under, over; /* the worst of each: at most 0, at least 0 */
	unsigned count;
	unsigned outside; /* of these, beyond the limit */
};

/* All windows of `width_s` that begin at from_s or later. */
struct windows windows_of(const struct series *s, double from_s, double width_s,
			  double cap, double limit_percent);
/* When the first window of `width_s` begins that is within the limit, in ms
 * after from_s; -1: there is none. */
double settled_ms(const struct series *s, double from_s, double width_s,
		  double cap, double limit_percent);
/* Over all of it. */
double mean_rate(const struct series *s);
#endif
