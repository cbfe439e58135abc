/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_CPUS_H
#define RJ_UTIL_CPUS_H
/* How many CPUs the calling thread may run on, by its affinity: at least 1, on
 * machines of any size. */
unsigned rj_allowed_cpus(void);
#endif
