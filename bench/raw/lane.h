/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_BENCH_RAW_LANE_H
#define RJ_BENCH_RAW_LANE_H
/* One connection's end: a thread's work. */
#include <pthread.h>
#include <stddef.h>

#include "bench/raw/config.h"

struct raw_lane {
	/* immutable while the thread runs */
	const struct raw_config *config;
	void *memory;
	size_t index;
	int fd;
	pthread_t thread;
	/* the thread's */
	struct raw_sender *sender; /* source only */
	size_t notifications, copied;
	int rc; /* negative errno */
};

/* Rings and registered buffers are made before the clock starts. */
int raw_sender_new(struct raw_lane *lane);
void raw_sender_free(struct raw_lane *lane);
/* Threads: send or receive the lane's whole share. */
void *raw_send_run(void *lane);
void *raw_recv_run(void *lane);
#endif
