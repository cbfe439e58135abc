/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_CREW_H
#define RJ_UTIL_CREW_H
/*
 * Threads that wait for work which can be cut into pieces: a walk over all of
 * memory, say. Who asks for it is one of them. It works with whatever threads
 * could be had; alone, if there are none.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"
#include "util/mutex.h"

/* Piece `piece` of [0, pieces); `member` of [0, rj_crew_size()) is whose turn
 * it is, 0 being who asked. A member does one piece at a time. */
typedef int rj_crew_fn(void *user, unsigned member, uint64_t piece,
		       struct ramjet_error *err);

struct rj_crew {
	/* immutable after rj_crew_start() */
	pthread_t *threads;
	unsigned thread_count;

	struct rj_mutex lock; /* lock order: 8 */
	pthread_cond_t changed;
	/* The job; written under the lock while nobody works. */
	rj_crew_fn *fn;
	void *user;
	uint64_t pieces;
	unsigned limit;        /* members that work; 0: all */
	_Atomic uint64_t next; /* relaxed: it only hands out numbers */
	/* guarded by lock */
	unsigned job;     /* counts up */
	bool open;        /* it may still be joined */
	unsigned working; /* threads, not who asked */
	unsigned joined;  /* numbers given to threads */
	bool stop;
	struct ramjet_error failure; /* the first */
};

/* `size` members, 1 or more: size - 1 threads `name`, or as many as can be
 * had. -ENOMEM. */
RJ_NODISCARD int rj_crew_start(struct rj_crew *crew, const char *name,
			       unsigned size, struct ramjet_error *err);
/* Not while it runs a job. Safe on a zeroed struct. */
void rj_crew_stop(struct rj_crew *crew);
unsigned rj_crew_size(const struct rj_crew *crew);
/* So many members at most do the jobs that follow; 0: all. Not while it runs a
 * job. */
void rj_crew_limit(struct rj_crew *crew, unsigned members);
/* What its threads have used of CPUs, without who asked. Any time. */
uint64_t rj_crew_cpu_us(const struct rj_crew *crew);
/* All pieces, in no order; a thread that wakes up when no piece is left is not
 * waited for. After an error no new piece is begun; the first is
 * returned. One caller at a time; also of a zeroed struct: alone. */
RJ_NODISCARD int rj_crew_run(struct rj_crew *crew, uint64_t pieces,
			     rj_crew_fn *fn, void *user,
			     struct ramjet_error *err);
#endif
