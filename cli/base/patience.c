/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/base/patience.h"

#include <errno.h>
#include <signal.h>

#include "cli/base/signals.h"
#include "util/clock.h"
#include "util/mutex.h"

#define TICK_NS UINT64_C(50000000) /* how late a signal is noticed */

/* Not freed if its thread is left running. */
struct errand {
	void (*work)(void *arg);
	void *arg;
	struct rj_mutex lock;
	pthread_cond_t ended;
	bool has_ended RJ_GUARDED_BY(lock);
};

static void *run(void *arg)
{
	struct errand *errand = arg;

	errand->work(errand->arg);
	rj_lock(&errand->lock);
	errand->has_ended = true;
	(void)pthread_cond_signal(&errand->ended);
	rj_unlock(&errand->lock);
	return NULL;
}

/* All signals are blocked here, so that the main thread gets them. */
static int make_thread(struct errand *errand, pthread_t *ret)
{
	sigset_t all, old;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(ret, NULL, run, errand);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

static bool wait_for(struct errand *errand, unsigned patience_ms)
{
	const uint64_t end_ns = rj_now_ns() + (uint64_t)patience_ms * 1000000u;
	const int before = rj_cli_signals_cancel();
	bool ended;

	rj_lock(&errand->lock);
	while (!errand->has_ended && rj_now_ns() < end_ns &&
	       rj_cli_signals_cancel() == before)
		(void)rj_cond_wait_until(&errand->ended, &errand->lock,
					 rj_now_ns() + TICK_NS);
	ended = errand->has_ended;
	rj_unlock(&errand->lock);
	return ended;
}

bool rj_cli_patiently(void (*work)(void *arg), void *arg, unsigned patience_ms)
{
	struct errand *errand = calloc(1, sizeof(*errand));
	pthread_t thread;
	bool ended;

	if (errand) {
		errand->work = work;
		errand->arg = arg;
		rj_mutex_init(&errand->lock);
		rj_cond_init(&errand->ended);
	}
	if (!errand || make_thread(errand, &thread)) {
		free(errand);
		work(arg);
		return true;
	}
	ended = wait_for(errand, patience_ms);
	if (!ended) {
		(void)pthread_detach(thread);
		return false;
	}
	(void)pthread_join(thread, NULL);
	(void)pthread_cond_destroy(&errand->ended);
	rj_mutex_done(&errand->lock);
	free(errand);
	return true;
}
