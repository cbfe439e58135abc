/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PLACEMENT_CPU_LIMIT_H
#define RJ_ENGINE_PLACEMENT_CPU_LIMIT_H
/*
 * How many CPUs the calling thread may use: its affinity, and the CPU quota of
 * its control group and of those above it (version 2: cpu.max; version 1:
 * cpu.cfs_quota_us), as far as they are mounted here.
 */
#include <stdint.h>

struct rj_cpu_limit {
	unsigned cpus;            /* at least 1; a quota is rounded up */
	const char *by;           /* "affinity" or "cgroup quota"; static */
	uint32_t quota_period_us; /* of the quota that limits; else 0 */
};

void rj_cpu_limit_read(struct rj_cpu_limit *ret);
/* The same from files below `root` ("" for the real ones), on `affinity` CPUs:
 * root/proc/self/cgroup, root/proc/self/mountinfo and what they lead to. What
 * cannot be read limits nothing. */
void rj_cpu_limit_of(const char *root, unsigned affinity,
		     struct rj_cpu_limit *ret);

/* How many of `workers` can have a CPU of their own besides. */
static inline unsigned rj_spare_cpus(unsigned cpus, unsigned workers)
{
	const unsigned spare = cpus > workers ? cpus - workers : 0;

	return spare < workers ? spare : workers;
}
#endif
