/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/receive/fences.h"

#include <errno.h>

#include "engine/link/event.h"
#include "util/error.h"

void rj_fences_init(struct rj_fences *fences, unsigned channels, int event_fd)
{
	*fences = (struct rj_fences){
		.channels = channels,
		.event_fd = event_fd,
	};
	rj_mutex_init(&fences->lock);
	rj_cond_init(&fences->changed);
}

void rj_fences_done(struct rj_fences *fences)
{
	if (!fences->channels)
		return;
	(void)pthread_cond_destroy(&fences->changed);
	rj_mutex_done(&fences->lock);
}

static int arrive_locked(struct rj_fences *fences, uint32_t round, bool final,
			 struct ramjet_error *err) RJ_REQUIRES(fences->lock)
{
	if (round != fences->applied || fences->final)
		return rj_fail(err, -EPROTO,
			       "fence of round %u, wanted round %u", round,
			       fences->applied);
	if (fences->arrived++ == 0)
		fences->final_announced = final;
	else if (fences->final_announced != final)
		return rj_fail(err, -EPROTO,
			       "fence of round %u: channels disagree whether "
			       "it is the final one",
			       round);
	if (fences->arrived == fences->channels) {
		fences->arrived = 0;
		fences->applied++;
		fences->final = final;
		(void)pthread_cond_broadcast(&fences->changed);
		return 0;
	}
	while (fences->applied == round && !fences->stopping)
		rj_cond_wait(&fences->changed, &fences->lock);
	return fences->applied == round ? -ECANCELED : 0;
}

int rj_fences_arrive(struct rj_fences *fences, uint32_t round, bool final,
		     struct ramjet_error *err)
{
	int rc;

	rj_lock(&fences->lock);
	rc = arrive_locked(fences, round, final, err);
	rj_unlock(&fences->lock);
	if (!rc)
		rj_event_signal(fences->event_fd);
	return rc;
}

void rj_fences_stop(struct rj_fences *fences)
{
	rj_lock(&fences->lock);
	fences->stopping = true;
	(void)pthread_cond_broadcast(&fences->changed);
	rj_unlock(&fences->lock);
}

uint32_t rj_fences_applied(struct rj_fences *fences, bool *ret_final)
{
	uint32_t applied;

	rj_lock(&fences->lock);
	applied = fences->applied;
	*ret_final = fences->final;
	rj_unlock(&fences->lock);
	return applied;
}
