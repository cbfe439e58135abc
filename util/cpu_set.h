/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_CPU_SET_H
#define RJ_UTIL_CPU_SET_H
/* Sets of CPUs, and the calling thread's. */
#include <sched.h>
#include <stdbool.h>

#include "util/compiler.h"

/* The most that Linux can be built for on x86. */
#define RJ_CPUS_MAX 8192u

struct rj_cpus {
	cpu_set_t sets[RJ_CPUS_MAX / CPU_SETSIZE];
};

bool rj_cpus_has(const struct rj_cpus *cpus, unsigned cpu);
void rj_cpus_add(struct rj_cpus *cpus, unsigned cpu);
/* Where the calling thread may run; -errno. */
RJ_NODISCARD int rj_cpus_allowed(struct rj_cpus *ret);
/* The calling thread runs there from now on; -errno. */
RJ_NODISCARD int rj_cpus_run_on(const struct rj_cpus *cpus);
#endif
