/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H
/* Clocks, and who has used the processors: a rate that is short of its cap is
 * no fault of the governor's where no processor was idle. */
struct machine {
	double at_s;
	double own_cpu_s;  /* this process, all threads */
	double idle_cpu_s; /* all processors together */
	double all_cpu_s;
};

double now_s(void);
struct machine machine_now(void);
/* Processors this process kept busy between two looks, e.g. 1.6. */
double own_cpus(const struct machine *from, const struct machine *to);
/* The share of the machine's time nobody wanted, in percent. */
double idle_percent(const struct machine *from, const struct machine *to);
#endif
