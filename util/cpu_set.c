/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/cpu_set.h"

#include <errno.h>

bool rj_cpus_has(const struct rj_cpus *cpus, unsigned cpu)
{
	return CPU_ISSET_S(cpu, sizeof(*cpus), cpus->sets);
}

void rj_cpus_add(struct rj_cpus *cpus, unsigned cpu)
{
	CPU_SET_S(cpu, sizeof(*cpus), cpus->sets);
}

int rj_cpus_allowed(struct rj_cpus *ret)
{
	*ret = (struct rj_cpus){ 0 };
	return sched_getaffinity(0, sizeof(*ret), ret->sets) ? -errno : 0;
}

int rj_cpus_run_on(const struct rj_cpus *cpus)
{
	return sched_setaffinity(0, sizeof(*cpus), cpus->sets) ? -errno : 0;
}
