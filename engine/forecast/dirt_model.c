/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/forecast/dirt_model.h"

#include <math.h>

/* Chosen. The weights of RJ_DIRT_SAMPLES fall to 13 %, and half of all weight is
 * on the newest two: a guest that changes what it does is followed soon, and
 * more memory would be less noise. Finer steps of tau cost time at each round. */
#define DECAY       0.75 /* weight of a sample, a round later */
#define TAU_MIN_US  500.0
#define TAU_STEP    1.6
#define TAU_STEPS   40u  /* up to 500 us * 1.6^39 = 13 hours: a straight line */
#define PAGES_FLOOR 64.0 /* smaller counts are noise */

/* Share of the working set written after `us`. */
static double share(double us, double tau_us)
{
	return -expm1(-us / tau_us);
}

struct fit {
	double set_pages, error;
};

/* Best S for a given tau, and what is left over: relative errors count. */
static struct fit fit_set(const struct rj_dirt_model *model, double tau_us)
{
	const unsigned kept =
		model->count < RJ_DIRT_SAMPLES ? model->count : RJ_DIRT_SAMPLES;
	double wf = 0, ff = 0, ww = 0, weight = 1;
	struct fit fit;

	for (unsigned i = 0; i < kept; i++, weight *= DECAY) {
		const unsigned at = (model->count - 1 - i) % RJ_DIRT_SAMPLES;
		const double pages = model->samples[at].pages;
		const double f = share(model->samples[at].us, tau_us);
		const double scale = pages + PAGES_FLOOR;
		const double k = weight / (scale * scale);

		wf += k * pages * f;
		ff += k * f * f;
		ww += k * pages * pages;
	}
	fit.set_pages = ff > 0 ? wf / ff : 0;
	fit.error = ff > 0 ? ww - wf * wf / ff : 0;
	return fit;
}

void rj_dirt_model_add(struct rj_dirt_model *model, double us, double pages)
{
	double tau_us = TAU_MIN_US, best = INFINITY;

	if (us <= 0)
		return;
	model->samples[model->count % RJ_DIRT_SAMPLES].us = us;
	model->samples[model->count % RJ_DIRT_SAMPLES].pages = pages;
	model->count++;
	for (unsigned i = 0; i < TAU_STEPS; i++, tau_us *= TAU_STEP) {
		const struct fit fit = fit_set(model, tau_us);

		/* Where samples do not tell, the straighter curve wins. */
		if (fit.error > best * 1.001 + 1e-9)
			continue;
		best = fit.error;
		model->tau_us = tau_us;
		model->set_pages = fit.set_pages;
	}
}

double rj_dirt_model_pages(const struct rj_dirt_model *model, double us)
{
	if (model->tau_us <= 0 || us <= 0)
		return 0;
	return model->set_pages * share(us, model->tau_us);
}
