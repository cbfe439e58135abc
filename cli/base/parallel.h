/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_BASE_PARALLEL_H
#define RJ_CLI_BASE_PARALLEL_H
/* One loop, cut into parts for the CPUs of this machine. */
#include "ramjet.h"

#define RJ_CLI_PARALLEL_MAX 16u

/* Items [first, first + count); 0 or a negative errno. Runs on any thread. */
typedef int rj_cli_part_fn(void *user, uint64_t first, uint64_t count,
			   struct ramjet_error *err);

/* Items [0, count) in order of parts; the failure of the lowest part wins. */
int rj_cli_parallel(uint64_t count, rj_cli_part_fn *fn, void *user,
		    struct ramjet_error *err);
#endif
