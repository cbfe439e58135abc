/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/receive/side_thread.h"

#include <stdio.h>

#include "util/thread.h"

static void forget(struct rj_side_thread *side)
{
	(void)pthread_cond_destroy(&side->changed);
	rj_mutex_done(&side->lock);
	side->started = false;
}

static int start(struct rj_side_thread *side, const char *what, unsigned worker,
		 void *(*run)(void *), void *argument)
{
	char name[16];
	int rc;

	rj_mutex_init(&side->lock);
	rj_cond_init(&side->changed);
	(void)snprintf(name, sizeof(name), "rj/%s/%u", what, worker);
	rc = rj_thread_start(&side->thread, name, run, argument);
	if (rc)
		forget(side);
	else
		side->started = true;
	return rc;
}

static void *wait_for_the_end(void *argument)
{
	struct rj_mutex *over = argument;

	rj_lock(over);
	rj_unlock(over);
	return NULL;
}

/* A second thread is held meanwhile, so that this one is never the last that
 * limits allow. */
int rj_side_thread_start(struct rj_side_thread *side, const char *what,
			 unsigned worker, void *(*run)(void *), void *argument)
{
	struct rj_mutex over;
	pthread_t spare;
	int rc, spare_rc;

	rj_mutex_init(&over);
	rj_lock(&over);
	rc = spare_rc =
		rj_thread_start(&spare, "rj/spare", wait_for_the_end, &over);
	if (!rc)
		rc = start(side, what, worker, run, argument);
	rj_unlock(&over);
	if (!spare_rc)
		(void)pthread_join(spare, NULL);
	rj_mutex_done(&over);
	return rc;
}

void rj_side_thread_stop(struct rj_side_thread *side)
{
	if (!side->started)
		return;
	rj_lock(&side->lock);
	side->stop = true;
	(void)pthread_cond_broadcast(&side->changed);
	rj_unlock(&side->lock);
	(void)pthread_join(side->thread, NULL);
	forget(side);
}
