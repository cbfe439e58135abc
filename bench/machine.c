/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/machine.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#define STAT_FIELDS 8u /* user nice system idle iowait irq softirq steal */
#define STAT_IDLE   3u
#define STAT_IOWAIT 4u

double now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double seconds(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

/* In units of its own: only shares of it are used. */
static void read_stat(struct machine *m)
{
	FILE *stat = fopen("/proc/stat", "re");
	double spent;

	if (!stat)
		return;
	(void)fscanf(stat, "cpu");
	for (unsigned i = 0; i < STAT_FIELDS; i++) {
		if (fscanf(stat, "%lf", &spent) != 1)
			break;
		m->all_cpu_s += spent;
		if (i == STAT_IDLE || i == STAT_IOWAIT)
			m->idle_cpu_s += spent;
	}
	(void)fclose(stat);
}

struct machine machine_now(void)
{
	struct machine m = { .at_s = now_s() };
	struct rusage usage = { 0 };

	(void)getrusage(RUSAGE_SELF, &usage);
	m.own_cpu_s = seconds(&usage.ru_utime) + seconds(&usage.ru_stime);
	read_stat(&m);
	return m;
}

double own_cpus(const struct machine *from, const struct machine *to)
{
	return (to->own_cpu_s - from->own_cpu_s) / (to->at_s - from->at_s);
}

double idle_percent(const struct machine *from, const struct machine *to)
{
	const double all = to->all_cpu_s - from->all_cpu_s;

	return all > 0 ? 100 * (to->idle_cpu_s - from->idle_cpu_s) / all : 0;
}
