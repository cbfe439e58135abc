/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_FORECAST_DIRT_MODEL_H
#define RJ_ENGINE_FORECAST_DIRT_MODEL_H
/*
 * How many different pages a guest writes in a span of time. They saturate at
 * its working set: W(t) = S (1 - exp(-t / tau)), fitted by weighted least
 * squares to what recent rounds have shown; the newest counts most. Pure
 * arithmetic.
 */
#include <stdint.h>

#define RJ_DIRT_SAMPLES 8u

struct rj_dirt_model {
	struct {
		double us, pages;
	} samples[RJ_DIRT_SAMPLES]; /* ring; newest at (count - 1) % size */
	unsigned count;
	double set_pages; /* S */
	double tau_us;    /* 0: nothing known, W = 0 */
};

/* In `us` the guest wrote `pages` different pages. */
void rj_dirt_model_add(struct rj_dirt_model *model, double us, double pages);
double rj_dirt_model_pages(const struct rj_dirt_model *model, double us);
#endif
