/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PLACEMENT_CPU_PRESSURE_H
#define RJ_ENGINE_PLACEMENT_CPU_PRESSURE_H
/*
 * Do others want the CPUs that we use? The share of time in which some task of our
 * control group, or where that is not to be seen, of the machine, had to wait for
 * a CPU (cpu.pressure, /proc/pressure/cpu), or the hypervisor below ran somebody
 * else (steal in /proc/stat). What is not there presses nothing.
 */
#include <stdint.h>

struct rj_cpu_pressure {
	uint64_t looked_ns;    /* 0: not yet */
	uint64_t some_us;      /* all as read then */
	uint64_t steal, ticks; /* of all CPUs together */
	uint64_t unserved_ns;
};

/* 0 to 1, since the last look; 0 at the first. Our own threads' waits, so much in
 * all so far, count for nothing: they may be all of it. Reads some files below
 * `root` ("" for the real ones). */
double rj_cpu_pressure_look(struct rj_cpu_pressure *pressure, const char *root,
			    uint64_t unserved_ns, uint64_t now_ns);
/* Of a worker's time, for zstd, so many percent are best given away from now on:
 * `percent` as it is, at most `limit`; after a look a second. */
uint32_t rj_cpu_give_way(uint32_t percent, uint32_t limit, double pressure);
#endif
