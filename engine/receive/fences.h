/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_RECEIVE_FENCES_H
#define RJ_ENGINE_RECEIVE_FENCES_H
/*
 * Where the target's channels meet between rounds: a channel that has
 * delivered its fence of round r goes on only when all live channels have.
 * So an old copy of a page can never land on a newer one. When the last fence
 * of a round arrives, everything sent in it is in guest memory: the round is
 * applied.
 */
#include <stdbool.h>
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"
#include "util/mutex.h"

struct rj_fences {
	int event_fd; /* signalled when a round was applied. Immutable. */
	struct rj_mutex lock; /* lock order: 4 */
	pthread_cond_t changed;
	/* guarded by lock */
	unsigned channels;
	unsigned arrived;
	uint32_t applied;     /* rounds applied so far */
	bool final_announced; /* by the first fence of this round */
	bool final;           /* the last round applied was the final one */
	bool stopping;
};

void rj_fences_init(struct rj_fences *fences, unsigned channels, int event_fd);
void rj_fences_done(struct rj_fences *fences);
/* A channel's fence of `round`; waits for the others. -EPROTO for a round that
 * is not the current one, -ECANCELED when stopped. */
RJ_NODISCARD int rj_fences_arrive(struct rj_fences *fences, uint32_t round,
				  bool final, struct ramjet_error *err);
/* All waits end. Any thread. */
void rj_fences_stop(struct rj_fences *fences);
/* Rounds applied so far. */
uint32_t rj_fences_applied(struct rj_fences *fences, bool *ret_final);
#endif
