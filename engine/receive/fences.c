/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/receive/fences.h"

#include <assert.h>
#include <errno.h>

#include "engine/link/event.h"
#include "util/error.h"

void rj_fences_init(struct rj_fences *fences, unsigned channels, int event_fd)
{
	assert(channels <= RAMJET_CHANNELS_MAX);
	*fences = (struct rj_fences){
		.channels = channels,
		.present = channels,
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

static int disagree(const struct rj_fences *fences, struct ramjet_error *err)
{
	return rj_fail(err, -EPROTO,
		       "fence of round %u: channels disagree whether it is the "
		       "final one",
		       fences->applied);
}

/* May the round at hand be the final one, if its fences say so? */
static bool may_be_final_locked(const struct rj_fences *fences)
	RJ_REQUIRES(fences->lock)
{
	return fences->applied >= fences->void_before;
}

static void apply_locked(struct rj_fences *fences, bool final)
	RJ_REQUIRES(fences->lock)
{
	for (unsigned i = 0; i < fences->channels; i++)
		fences->lanes[i].arrived = fences->lanes[i].final = false;
	fences->arrived = fences->finals = 0;
	fences->applied++;
	fences->final = final;
	(void)pthread_cond_broadcast(&fences->changed);
}

/* The round at hand is applied if all fences are there. 1: it was; 0: not yet;
 * -EPROTO: it is final to some only. */
static int look_locked(struct rj_fences *fences, struct ramjet_error *err)
	RJ_REQUIRES(fences->lock)
{
	const bool final = fences->finals && may_be_final_locked(fences);

	if (!fences->present || fences->arrived < fences->present)
		return 0;
	/* What a lost lane did not deliver may still go in this round's place:
	 * so it is not known to be the last one. */
	if (final && fences->unanswered)
		return 0;
	if (final && fences->finals != fences->arrived)
		return disagree(fences, err);
	apply_locked(fences, final);
	return 1;
}

/* Among lanes that know of no loss, one fence tells whether the round is the
 * final one. */
static int check_final_locked(const struct rj_fences *fences, bool final,
			      struct ramjet_error *err)
	RJ_REQUIRES(fences->lock)
{
	const bool known = fences->arrived && !fences->unanswered &&
			   may_be_final_locked(fences);

	return known && final != (fences->finals > 0) ? disagree(fences, err)
						      : 0;
}

static int arrive_locked(struct rj_fences *fences, unsigned index,
			 uint32_t round, bool final, bool *ret_over,
			 struct ramjet_error *err) RJ_REQUIRES(fences->lock)
{
	struct rj_fences_lane *lane = &fences->lanes[index];
	int rc;

	if (lane->leaving)
		return -ECANCELED;
	if (round != fences->applied || fences->final)
		return rj_fail(err, -EPROTO,
			       "fence of round %u, wanted round %u", round,
			       fences->applied);
	rc = check_final_locked(fences, final, err);
	if (rc)
		return rc;
	lane->arrived = true;
	lane->final = final;
	fences->arrived++;
	fences->finals += final;
	rc = look_locked(fences, err);
	if (rc < 0)
		return rc;
	while (fences->applied == round && !fences->stopping && !lane->leaving)
		rj_cond_wait(&fences->changed, &fences->lock);
	if (fences->applied == round)
		return -ECANCELED;
	/* No round follows without this lane's fence: it is still the one before
	 * this that counts. */
	*ret_over = fences->final;
	return 0;
}

int rj_fences_arrive(struct rj_fences *fences, unsigned lane, uint32_t round,
		     bool final, bool *ret_over, struct ramjet_error *err)
{
	int rc;

	rj_lock(&fences->lock);
	rc = arrive_locked(fences, lane, round, final, ret_over, err);
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

bool rj_fences_waits(struct rj_fences *fences, unsigned lane)
{
	bool waits;

	rj_lock(&fences->lock);
	waits = fences->lanes[lane].arrived;
	rj_unlock(&fences->lock);
	return waits;
}

void rj_fences_leave(struct rj_fences *fences, unsigned lane)
{
	rj_lock(&fences->lock);
	fences->lanes[lane].leaving = true;
	(void)pthread_cond_broadcast(&fences->changed);
	rj_unlock(&fences->lock);
}

static void take_out_locked(struct rj_fences *fences,
			    struct rj_fences_lane *lane)
	RJ_REQUIRES(fences->lock)
{
	assert(!lane->gone);
	fences->arrived -= lane->arrived;
	fences->finals -= lane->final;
	*lane = (struct rj_fences_lane){ .gone = true, .leaving = true };
	fences->present--;
	fences->unanswered++;
	/* Nothing is final while it is unanswered: so nothing to disagree
	 * about. */
	(void)!look_locked(fences, NULL);
}

bool rj_fences_lose(struct rj_fences *fences, unsigned lane)
{
	bool counts;

	rj_lock(&fences->lock);
	counts = !fences->final;
	if (counts)
		take_out_locked(fences, &fences->lanes[lane]);
	rj_unlock(&fences->lock);
	rj_event_signal(fences->event_fd);
	return counts;
}

int rj_fences_settle(struct rj_fences *fences, uint32_t round,
		     struct ramjet_error *err)
{
	int rc;

	rj_lock(&fences->lock);
	assert(fences->unanswered);
	fences->unanswered--;
	if (fences->void_before < round)
		fences->void_before = round;
	rc = look_locked(fences, err);
	rj_unlock(&fences->lock);
	rj_event_signal(fences->event_fd);
	return rc < 0 ? rc : 0;
}

int rj_fences_join(struct rj_fences *fences, unsigned lane, uint32_t *ret_round)
{
	int rc = 0;

	rj_lock(&fences->lock);
	assert(fences->lanes[lane].gone);
	if (fences->final) {
		rc = -EALREADY;
	} else {
		fences->lanes[lane] = (struct rj_fences_lane){ 0 };
		fences->present++;
		*ret_round = fences->applied;
	}
	rj_unlock(&fences->lock);
	return rc;
}

unsigned rj_fences_present(struct rj_fences *fences)
{
	unsigned present;

	rj_lock(&fences->lock);
	present = fences->present;
	rj_unlock(&fences->lock);
	return present;
}
