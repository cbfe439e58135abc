/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/channel_plan.h"

/* All figures: decision 016. More at first than CPUs would only get in each
 * other's way; and past this number, CPUs are seldom what is short. */
#define FIRST_MAX 8u
/* What is opened, so that there is something to grow into: a path may limit
 * each connection, whatever the CPUs could do. */
#define OPENED_MIN     8u
#define OPENED_PER_CPU 4u
#define OPENED_MAX     16u

static unsigned within(unsigned low, unsigned value, unsigned high)
{
	return value < low ? low : value > high ? high : value;
}

void rj_channel_plan_init(struct rj_channel_plan *plan, unsigned asked)
{
	*plan = (struct rj_channel_plan){
		.opened = asked,
		.wished = asked,
		.first = asked,
	};
	rj_cpu_limit_read(&plan->cpus);
	if (asked)
		return;
	plan->automatic = true;
	plan->first = within(1, plan->cpus.cpus, FIRST_MAX);
	plan->opened = within(OPENED_MIN, plan->cpus.cpus * OPENED_PER_CPU,
			      OPENED_MAX);
	plan->wished = plan->opened;
}

void rj_channel_plan_limit(struct rj_channel_plan *plan, unsigned accepted)
{
	plan->opened = within(1, plan->opened, accepted);
	plan->first = within(1, plan->first, accepted);
}
