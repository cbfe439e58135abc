/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/rungs.h"

#include <math.h>

#include "util/compiler.h"

/*
 * Measured: 24 MiB of libraries in /usr, in groups of 32 pages, zstd 1.5.4.
 * `ratio` is an exponent: what level -5 makes 0.578 of, level 1 makes
 * 0.578 ^ 1.59 = 0.418 of; and `cost` a factor.
 */
static const struct shape {
	int32_t level;
	double ratio, cost;
} shapes[] = { { -7, 0.87, 0.91 }, { -5, 1, 1 },       { -3, 1.17, 1.11 },
	       { -1, 1.41, 1.30 }, { 1, 1.59, 1.46 },  { 2, 1.66, 1.93 },
	       { 3, 1.69, 2.60 },  { 5, 1.76, 4.10 },  { 6, 1.79, 6.0 },
	       { 9, 1.80, 9.7 },   { 12, 1.81, 29.0 }, { 15, 1.95, 67.0 },
	       { 19, 1.97, 156.0 } };
static const int32_t usual[] = { -5, -1, 1, 3, 6, 9, 12, 15, 19 };

/* Of what is measured, against what was thought: a window's pages are some. */
#define NEWS 0.5
/* A ratio of 1 has no logarithm; and what is next to it says nothing of how far
 * other levels would come on other pages. */
#define RATIO_MOST  0.999
#define RATIO_TELLS 0.97
#define RATIO_LEAST 0.001
/* No CPU is faster; also where a window's clock says 0. */
#define COST_LEAST 0.01

static void set_shape(struct rj_rung *rung)
{
	size_t i = 1;
	double part;

	while (i < RJ_ARRAY_SIZE(shapes) - 1 && shapes[i].level < rung->level)
		i++;
	part = (double)(rung->level - shapes[i - 1].level) /
	       (double)(shapes[i].level - shapes[i - 1].level);
	rung->shape_ratio = shapes[i - 1].ratio +
			    part * (shapes[i].ratio - shapes[i - 1].ratio);
	rung->shape_cost = shapes[i - 1].cost +
			   part * (shapes[i].cost - shapes[i - 1].cost);
}

static void add(struct rj_rungs *rungs, int32_t level)
{
	struct rj_rung *rung = &rungs->rungs[rungs->count++];

	rung->level = level;
	set_shape(rung);
}

void rj_rungs_init(struct rj_rungs *rungs, int32_t highest)
{
	*rungs = (struct rj_rungs){
		.count = 1,
		.rungs[0] = { .level = RJ_LEVEL_OFF, .ratio = 1 },
	};
	if (highest == RJ_LEVEL_OFF)
		return;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(usual); i++)
		if (usual[i] < highest)
			add(rungs, usual[i]);
	add(rungs, highest);
}

static double within(double value, double least, double most)
{
	return value < least ? least : value > most ? most : value;
}

/* As on ordinary data, where this much was made of it at rung `at`. */
static void suppose_all(struct rj_rungs *rungs, unsigned at, double ratio,
			double cost)
{
	const struct rj_rung seen = rungs->rungs[at];

	for (unsigned i = 1; i < rungs->count; i++) {
		struct rj_rung *rung = &rungs->rungs[i];

		rung->ratio = pow(ratio, rung->shape_ratio / seen.shape_ratio);
		rung->cost = cost * rung->shape_cost / seen.shape_cost;
	}
	rungs->known = true;
}

static void move_along(struct rj_rungs *rungs, unsigned at, double ratio,
		       double cost)
{
	struct rj_rung *seen = &rungs->rungs[at];
	const double by = log(ratio) / log(seen->ratio);
	const double dearer = cost / seen->cost;

	for (unsigned i = 1; i < rungs->count; i++) {
		struct rj_rung *rung = &rungs->rungs[i];

		rung->ratio =
			within(pow(rung->ratio, by), RATIO_LEAST, RATIO_MOST);
		rung->cost = within(rung->cost * dearer, COST_LEAST, 1e6);
	}
	seen->ratio = ratio;
	seen->cost = cost;
}

void rj_rungs_learn(struct rj_rungs *rungs, unsigned at, uint64_t in,
		    uint64_t out, double cpu_ns)
{
	struct rj_rung *rung = &rungs->rungs[at];
	double ratio, cost;

	if (!in || !at)
		return;
	ratio = within((double)out / (double)in, RATIO_LEAST, RATIO_MOST);
	cost = cpu_ns / (double)in;
	if (cost < COST_LEAST)
		cost = COST_LEAST;
	rung->known = true;
	if (!rungs->known || rung->ratio > RATIO_TELLS) {
		suppose_all(rungs, at, ratio, cost);
		return;
	}
	move_along(rungs, at, rung->ratio + NEWS * (ratio - rung->ratio),
		   rung->cost + NEWS * (cost - rung->cost));
}

double rj_rungs_speed(const struct rj_rungs *rungs, unsigned at)
{
	return at ? 1e9 / rungs->rungs[at].cost : 1e18;
}
