/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_SCALING_WRITER_H
#define BENCH_SCALING_WRITER_H
/* A vCPU that writes used pages one after the other, at a rate. */
#include <pthread.h>
#include <stdatomic.h>

#include "bench/scaling/memory.h"

struct writer {
	const struct memory *memory;
	uint64_t bytes_per_s; /* UINT64_MAX: as fast as it can; 0: none */
	uint64_t set_pages; /* the first so many used pages, again and again */
	_Atomic uint64_t written; /* pages */
	_Atomic bool stop;
	pthread_t thread;
};

void writer_start(struct writer *writer);
void writer_stop(struct writer *writer);
#endif
