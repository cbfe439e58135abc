/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_RECEIVE_FENCES_H
#define RJ_ENGINE_RECEIVE_FENCES_H
/*
 * Where the target's channels meet between rounds: a channel that has
 * delivered its fence of round r goes on only when all live channels have.
 * So an old copy of a page can never land on a newer one. When the last fence
 * of a round arrives, everything sent in it is in guest memory: the round is
 * applied.
 *
 * A lane that is lost is taken out, once nothing of it can reach memory any
 * more: the others' fences are enough then, but not for a final round. That
 * waits until the source has said (BACK) from which round on it sends again what
 * the lane did not deliver; rounds before that one are not final, whatever
 * their fences say. A lane that returns counts in the round at hand.
 *
 * Once the final round is applied nothing changes that any more, and lanes are
 * none.
 */
#include <stdbool.h>
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"
#include "util/mutex.h"

struct rj_fences {
	int event_fd;      /* signalled when a round was applied. Immutable. */
	unsigned channels; /* immutable */
	struct rj_mutex lock; /* lock order: 4 */
	pthread_cond_t changed;
	/* guarded by lock */
	struct rj_fences_lane {
		bool gone;    /* it does not count */
		bool leaving; /* whoever waits for it shall not */
		bool arrived; /* waits at the fence of the round at hand */
		bool final;   /* and that fence is a final one */
	} lanes[RAMJET_CHANNELS_MAX];
	unsigned present;     /* lanes that count */
	unsigned arrived;     /* of them */
	unsigned finals;      /* of these */
	unsigned unanswered;  /* lanes that went, and no BACK has come yet */
	uint32_t void_before; /* no round before this one is final */
	uint32_t applied;     /* rounds applied so far */
	bool final;           /* the last round applied was the final one */
	bool stopping;
};

void rj_fences_init(struct rj_fences *fences, unsigned channels, int event_fd);
void rj_fences_done(struct rj_fences *fences);
/* A lane's fence of `round`; waits for the others. *ret_over: the final round is
 * applied. -EPROTO for a round that is not the current one, -ECANCELED when
 * stopped or told to leave. */
RJ_NODISCARD int rj_fences_arrive(struct rj_fences *fences, unsigned lane,
				  uint32_t round, bool final, bool *ret_over,
				  struct ramjet_error *err);
/* All waits end. Any thread. */
void rj_fences_stop(struct rj_fences *fences);
/* Rounds applied so far. */
uint32_t rj_fences_applied(struct rj_fences *fences, bool *ret_final);
/* Is this lane waiting for others? */
bool rj_fences_waits(struct rj_fences *fences, unsigned lane);

/* ---- lost lanes: the control thread ------------------------------------ */

/* This lane's worker waits no more. The fence that it has brought counts. */
void rj_fences_leave(struct rj_fences *fences, unsigned lane);
/* Take a lane out whose worker has ended and can write nothing more. False: the
 * final round is applied, so nothing follows from its loss. */
RJ_NODISCARD bool rj_fences_lose(struct rj_fences *fences, unsigned lane);
/* BACK has come for a lane that was lost: what it did not deliver is sent in
 * `round` or later. -EPROTO: a round that is final after all, and lanes disagree
 * whether it is. */
RJ_NODISCARD int rj_fences_settle(struct rj_fences *fences, uint32_t round,
				  struct ramjet_error *err);
/* A lane that was lost counts again, from *ret_round on. -EALREADY: the final
 * round is applied. */
RJ_NODISCARD int rj_fences_join(struct rj_fences *fences, unsigned lane,
				uint32_t *ret_round);
/* Lanes that count. */
unsigned rj_fences_present(struct rj_fences *fences);
#endif
