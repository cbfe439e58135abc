/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/scaling/resident.h"

#include <stdio.h>
#include <unistd.h>

double resident_now(void)
{
	unsigned long all = 0, resident = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	if (!statm)
		return 0;
	if (fscanf(statm, "%lu %lu", &all, &resident) != 2)
		resident = 0;
	(void)fclose(statm);
	return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

void resident_note(double *most)
{
	const double now = resident_now();

	if (now > *most)
		*most = now;
}
