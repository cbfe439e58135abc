/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_SCALING_RESIDENT_H
#define BENCH_SCALING_RESIDENT_H
/* This process's resident memory, in MiB. */
double resident_now(void);
/* *most becomes that, if it was less. */
void resident_note(double *most);
#endif
