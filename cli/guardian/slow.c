/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guardian/slow.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "cli/guardian/slow_group.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/mutex.h"

#define PERCENT_MAX 99u
/* Of short stops: a stop and what goes with it takes 0.5 to 20 ms (it waits
 * for the disks), so shorter ones would slow down more than was asked for, and
 * longer ones are felt by who talks to the guest. */
#define PERIOD_NS UINT64_C(100000000)

struct rj_slow {
	/* immutable after new */
	struct rj_slow_order order;
	pid_t *threads;
	unsigned thread_count;
	enum rj_slow_way way;
	char words[640];
	struct rj_slow_groups groups;
	/* owned by the one who calls set and free */
	pthread_t thread;
	bool has_thread;
	/* Held while the machine is stopped, or let go on, or groups are
	 * written. Before any lock of the monitor's. */
	struct rj_mutex lock;
	pthread_cond_t changed;
	/* guarded by lock */
	unsigned percent RJ_GUARDED_BY(lock);
	bool held RJ_GUARDED_BY(lock);
	bool quit RJ_GUARDED_BY(lock);
	bool stopped RJ_GUARDED_BY(lock);
};

static void keep_thread(struct rj_slow *slow, pid_t tid)
{
	for (unsigned i = 0; i < slow->thread_count; i++)
		if (slow->threads[i] == tid)
			return;
	if (tid > 0)
		slow->threads[slow->thread_count++] = tid;
}

static int find_groups(struct rj_slow *slow, struct ramjet_error *err)
{
	if (slow->order.no_groups)
		return rj_fail(err, -EOPNOTSUPP, "not wanted");
	if (!slow->thread_count)
		return rj_fail(err, -EOPNOTSUPP,
			       "the vCPUs' threads are not known");
	if (!rj_slow_groups_find(slow->order.pid, &slow->groups))
		return rj_fail(err, -EOPNOTSUPP,
			       "process %d is in no control group with a cpu "
			       "controller that is seen here",
			       (int)slow->order.pid);
	return rj_slow_groups_try(&slow->groups, slow->threads,
				  slow->thread_count, err);
}

static int find_way(struct rj_slow *slow, struct ramjet_error *err)
{
	struct ramjet_error why = { 0 };

	if (!find_groups(slow, &why)) {
		slow->way = RJ_SLOW_GROUP;
		(void)snprintf(slow->words, sizeof(slow->words),
			       "vCPU threads in control groups below %s",
			       slow->groups.parent);
		return 0;
	}
	if (!slow->order.stop)
		return rj_fail(
			err, -EOPNOTSUPP,
			"%s: its vCPUs cannot be slowed down: by control "
			"groups: %s; by short stops: not to be had",
			slow->order.what, why.message);
	slow->way = RJ_SLOW_STOPS;
	(void)snprintf(slow->words, sizeof(slow->words),
		       "short stops of the machine (control groups: %s)",
		       why.message);
	return 0;
}

int rj_slow_new(const struct rj_slow_order *order, struct rj_slow **ret,
		struct ramjet_error *err)
{
	struct rj_slow *slow = calloc(1, sizeof(*slow));
	int rc;

	if (slow)
		slow->threads = calloc(order->thread_count + 1, sizeof(pid_t));
	if (!slow || !slow->threads) {
		free(slow);
		return rj_fail(err, -ENOMEM, "%s: out of memory", order->what);
	}
	slow->order = *order;
	slow->order.threads = NULL;
	for (unsigned i = 0; i < order->thread_count; i++)
		keep_thread(slow, order->threads[i]);
	rj_mutex_init(&slow->lock);
	rj_cond_init(&slow->changed);
	rc = find_way(slow, err);
	if (rc)
		rj_slow_free(slow);
	else
		*ret = slow;
	return rc;
}

enum rj_slow_way rj_slow_way(const struct rj_slow *slow)
{
	return slow->way;
}

const char *rj_slow_words(const struct rj_slow *slow)
{
	return slow->words;
}

/* A cycle begins with a stop, so a percentage works at once. When the machine
 * refuses to be stopped (it is paused, or has been switched off) it is asked
 * again a period later. */
static void stop_or_go_locked(struct rj_slow *slow) RJ_REQUIRES(slow->lock)
{
	struct ramjet_error ignored = { 0 };

	if (slow->stopped)
		slow->stopped =
			slow->order.go_on(slow->order.user, &ignored) != 0;
	else
		slow->stopped =
			slow->order.stop(slow->order.user, &ignored) == 0;
}

static void go_on_locked(struct rj_slow *slow) RJ_REQUIRES(slow->lock)
{
	if (slow->stopped)
		stop_or_go_locked(slow);
}

static void *thread_main(void *arg)
{
	struct rj_slow *slow = arg;

	rj_lock(&slow->lock);
	while (!slow->quit) {
		uint64_t share;

		if (slow->held || !slow->percent) {
			rj_cond_wait(&slow->changed, &slow->lock);
			continue;
		}
		stop_or_go_locked(slow);
		share = slow->stopped ? slow->percent : 100 - slow->percent;
		(void)rj_cond_wait_until(&slow->changed, &slow->lock,
					 rj_now_ns() + PERIOD_NS / 100 * share);
	}
	rj_unlock(&slow->lock);
	return NULL;
}

static int start_thread(struct rj_slow *slow, struct ramjet_error *err)
{
	int rc;

	if (slow->has_thread)
		return 0;
	rc = pthread_create(&slow->thread, NULL, thread_main, slow);
	if (rc)
		return rj_fail_errno(err, -rc, "%s: throttle thread",
				     slow->order.what);
	(void)pthread_setname_np(slow->thread, "rj/slow");
	slow->has_thread = true;
	return 0;
}

static int apply_locked(struct rj_slow *slow, struct ramjet_error *err)
	RJ_REQUIRES(slow->lock)
{
	const unsigned percent = slow->held ? 0 : slow->percent;
	int rc = 0;

	if (slow->way == RJ_SLOW_GROUP)
		rc = rj_slow_groups_set(&slow->groups, slow->threads,
					slow->thread_count, percent, err);
	else if (!percent)
		go_on_locked(slow);
	pthread_cond_broadcast(&slow->changed);
	return rc;
}

int rj_slow_set(struct rj_slow *slow, unsigned percent,
		struct ramjet_error *err)
{
	int rc = 0;

	if (percent > PERCENT_MAX)
		return rj_fail(err, -ERANGE,
			       "%s: throttle of %u %%, wanted 0 to %u",
			       slow->order.what, percent, PERCENT_MAX);
	if (percent && slow->way == RJ_SLOW_STOPS)
		rc = start_thread(slow, err);
	if (rc)
		return rc;
	rj_lock(&slow->lock);
	slow->percent = percent;
	rc = apply_locked(slow, err);
	if (!percent && slow->way == RJ_SLOW_GROUP) {
		const int mended = rj_slow_groups_mend(&slow->groups, err);

		rc = mended < 0 ? mended : rc;
	}
	rj_unlock(&slow->lock);
	if (rc)
		rj_error_prefix(err, "%s", slow->order.what);
	return rc;
}

void rj_slow_hold(struct rj_slow *slow)
{
	struct ramjet_error ignored = { 0 };

	rj_lock(&slow->lock);
	slow->held = true;
	if (slow->percent)
		(void)apply_locked(slow, &ignored);
	rj_unlock(&slow->lock);
}

void rj_slow_release(struct rj_slow *slow)
{
	struct ramjet_error ignored = { 0 };

	rj_lock(&slow->lock);
	slow->held = false;
	if (slow->percent)
		(void)apply_locked(slow, &ignored);
	rj_unlock(&slow->lock);
}

void rj_slow_free(struct rj_slow *slow)
{
	struct ramjet_error ignored = { 0 };

	if (!slow)
		return;
	rj_lock(&slow->lock);
	slow->quit = true;
	go_on_locked(slow);
	pthread_cond_broadcast(&slow->changed);
	rj_unlock(&slow->lock);
	if (slow->has_thread)
		(void)pthread_join(slow->thread, NULL);
	(void)rj_slow_groups_mend(&slow->groups, &ignored);
	rj_slow_groups_done(&slow->groups);
	rj_mutex_done(&slow->lock);
	(void)pthread_cond_destroy(&slow->changed);
	free(slow->threads);
	free(slow);
}

int rj_slow_mend(pid_t pid, struct ramjet_error *err)
{
	struct rj_slow_groups groups;
	int rc = 0;

	if (rj_slow_groups_find(pid, &groups))
		rc = rj_slow_groups_mend(&groups, err);
	rj_slow_groups_done(&groups);
	return rc;
}
