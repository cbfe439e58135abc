/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_BENCH_RAW_RUN_H
#define RJ_BENCH_RAW_RUN_H
#include <stdbool.h>
#include <stddef.h>

#include "bench/raw/config.h"

struct raw_result {
	double seconds;    /* from the first send to the last byte received */
	double source_cpu; /* seconds, user and system */
	double target_cpu;
	double prepare_seconds; /* rings and registration, before the clock */
	size_t notifications, copied;
	int rc; /* negative errno: the system refused the run */
	bool identical;
};

/* Move `memory` (config->bytes) to a process forked for it. */
struct raw_result raw_run(const struct raw_config *config, void *memory);
#endif
