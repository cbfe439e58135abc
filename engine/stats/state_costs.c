/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/stats/state_costs.h"

/* Of what it took more before, one part in so many. Chosen: a pause that was too
 * long once is worse than one predicted too long for some tries. */
#define FORGOTTEN 4u

void rj_state_cost_learn(struct rj_state_cost *cost, uint64_t us)
{
	if (cost->known && us < cost->us)
		us = cost->us - (cost->us - us) / FORGOTTEN;
	*cost = (struct rj_state_cost){ .known = true, .us = us };
}

uint64_t rj_state_cost_us(const struct rj_state_cost *cost, uint64_t otherwise)
{
	return cost->known ? cost->us : otherwise;
}
