/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/cpus.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>

/* What cpu_set_t has room for; and more than any kernel is built for. */
#define CPUS_FIRST 1024
#define CPUS_MAX   (CPUS_FIRST << 8)

unsigned rj_allowed_cpus(void)
{
	int count = 0, rc = -1;

	/* EINVAL: the kernel knows of more CPUs than the set has room for. */
	for (int cpus = CPUS_FIRST; rc && cpus <= CPUS_MAX; cpus *= 2) {
		const size_t bytes = CPU_ALLOC_SIZE(cpus);
		cpu_set_t *set = CPU_ALLOC(cpus);

		rc = set ? sched_getaffinity(0, bytes, set) : 0;
		if (set && !rc)
			count = CPU_COUNT_S(bytes, set);
		CPU_FREE(set);
		if (rc && errno != EINVAL)
			break;
	}
	return count > 0 ? (unsigned)count : 1;
}
