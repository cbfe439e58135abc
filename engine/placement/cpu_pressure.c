/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/placement/cpu_pressure.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cgroup.h"

/* Chosen: under the first, hardly anybody waits for long; above the second, most
 * of the time somebody does. In between nothing changes. */
#define LOW  0.4
#define HIGH 0.7
/* Chosen: with less, no level pays; and from here it is three steps back. */
#define PERCENT_MIN 12u

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", microseconds. */
static bool read_some(const char *root, const char *folder, const char *name,
		      uint64_t *ret)
{
	FILE *file;
	char *path;
	bool found;

	if (asprintf(&path, "%s%s/%s", root, folder, name) < 0)
		return false;
	file = fopen(path, "re");
	free(path);
	if (!file)
		return false;
	found = fscanf(file, "some %*s %*s %*s total=%" SCNu64, ret) == 1;
	(void)fclose(file);
	return found;
}

static uint64_t some_us(const char *root)
{
	char *folder = rj_cgroup_find(root, "/proc/self", true, "cpu");
	uint64_t us = 0;

	if (!folder || !read_some("", folder, "cpu.pressure", &us))
		(void)read_some(root, "/proc/pressure", "cpu", &us);
	free(folder);
	return us;
}

/* "cpu USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL ...", proc(5). */
static void read_steal(const char *root, struct rj_cpu_pressure *ret)
{
	uint64_t is[8] = { 0 };
	FILE *file;
	char *path;
	int count;

	ret->steal = ret->ticks = 0;
	if (asprintf(&path, "%s/proc/stat", root) < 0)
		return;
	file = fopen(path, "re");
	free(path);
	if (!file)
		return;
	count = fscanf(file,
		       "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		       " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
		       &is[0], &is[1], &is[2], &is[3], &is[4], &is[5], &is[6],
		       &is[7]);
	(void)fclose(file);
	if (count != 8)
		return;
	ret->steal = is[7];
	for (unsigned i = 0; i < 8; i++)
		ret->ticks += is[i];
}

static double within_0_and_1(double share)
{
	return share < 0 ? 0 : share > 1 ? 1 : share;
}

double rj_cpu_pressure_look(struct rj_cpu_pressure *p, const char *root,
			    uint64_t unserved_ns, uint64_t now_ns)
{
	const struct rj_cpu_pressure was = *p;
	double others = 0, stolen = 0;

	p->looked_ns = now_ns;
	p->some_us = some_us(root);
	p->unserved_ns = unserved_ns;
	read_steal(root, p);
	if (!was.looked_ns || now_ns <= was.looked_ns)
		return 0;
	if (p->some_us > was.some_us)
		others = ((double)(p->some_us - was.some_us) * 1e3 -
			  (double)(unserved_ns - was.unserved_ns)) /
			 (double)(now_ns - was.looked_ns);
	if (p->steal > was.steal && p->ticks > was.ticks)
		stolen = (double)(p->steal - was.steal) /
			 (double)(p->ticks - was.ticks);
	return within_0_and_1(others > stolen ? others : stolen);
}

uint32_t rj_cpu_give_way(uint32_t percent, uint32_t limit, double pressure)
{
	if (pressure > HIGH)
		percent /= 2;
	else if (pressure < LOW)
		percent *= 2;
	if (percent < PERCENT_MIN)
		percent = PERCENT_MIN;
	return percent < limit ? percent : limit;
}
