/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_STATS_STATE_COSTS_H
#define RJ_ENGINE_STATS_STATE_COSTS_H
/*
 * What a guest's own calls take in the pause: stopping it, saving its devices,
 * loading them at the target and starting it there. None can be rehearsed, since
 * the guest runs. So what an earlier try of the same guest took counts, else what
 * the VMM says. Pure arithmetic; a guest's are under its lock.
 */
#include <stdbool.h>
#include <stdint.h>

struct rj_state_cost {
	bool known;
	uint64_t us;
};

struct rj_state_costs {
	struct rj_state_cost stop, save, load, start;
};

/* It took `us` this time: that counts, or what was known before if it was more,
 * of which a part is forgotten each time. */
void rj_state_cost_learn(struct rj_state_cost *cost, uint64_t us);
/* What to expect; `otherwise` when nothing is known. */
uint64_t rj_state_cost_us(const struct rj_state_cost *cost, uint64_t otherwise);
#endif
