/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/write_behind.h"

#include <stdio.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/thread.h"

/* False: it is over. */
static bool await_job(struct rj_write_behind *behind, struct rj_write_job *ret)
{
	bool found;

	rj_lock(&behind->lock);
	while (!behind->stop && !behind->busy)
		rj_cond_wait(&behind->changed, &behind->lock);
	*ret = behind->job;
	found = behind->busy;
	rj_unlock(&behind->lock);
	return found;
}

static void end_job(struct rj_write_behind *behind,
		    const struct ramjet_error *err)
{
	rj_lock(&behind->lock);
	behind->busy = false;
	if (err->code && !behind->failure.code)
		behind->failure = *err;
	(void)pthread_cond_broadcast(&behind->changed);
	rj_unlock(&behind->lock);
}

static void *write_thread(void *arg)
{
	struct rj_write_behind *behind = arg;
	struct rj_write_job job;

	while (await_job(behind, &job)) {
		struct ramjet_error err = { 0 };

		(void)!rj_first_touch_write(job.touch, job.parts, job.count,
					    job.data, &err);
		atomic_store_explicit(&behind->cpu_us, rj_thread_cpu_us(),
				      memory_order_relaxed);
		end_job(behind, &err);
	}
	return NULL;
}

int rj_write_behind_start(struct rj_write_behind *behind, unsigned worker)
{
	char name[16];
	int rc;

	rj_mutex_init(&behind->lock);
	rj_cond_init(&behind->changed);
	(void)snprintf(name, sizeof(name), "rj/write/%u", worker);
	rc = rj_thread_start(&behind->thread, name, write_thread, behind);
	behind->started = !rc;
	if (rc) {
		(void)pthread_cond_destroy(&behind->changed);
		rj_mutex_done(&behind->lock);
	}
	return rc;
}

void rj_write_behind_stop(struct rj_write_behind *behind)
{
	if (!behind->started)
		return;
	rj_lock(&behind->lock);
	behind->stop = true;
	(void)pthread_cond_broadcast(&behind->changed);
	rj_unlock(&behind->lock);
	(void)pthread_join(behind->thread, NULL);
	(void)pthread_cond_destroy(&behind->changed);
	rj_mutex_done(&behind->lock);
	behind->started = false;
}

static int idle_locked(struct rj_write_behind *behind, struct ramjet_error *err)
	RJ_REQUIRES(behind->lock)
{
	while (behind->busy)
		rj_cond_wait(&behind->changed, &behind->lock);
	if (!behind->failure.code)
		return 0;
	return rj_fail(err, behind->failure.code, "%s",
		       behind->failure.message);
}

int rj_write_behind_submit(struct rj_write_behind *behind,
			   const struct rj_write_job *job,
			   struct ramjet_error *err)
{
	int rc;

	rj_lock(&behind->lock);
	rc = idle_locked(behind, err);
	if (!rc) {
		behind->job = *job;
		behind->busy = true;
		(void)pthread_cond_broadcast(&behind->changed);
	}
	rj_unlock(&behind->lock);
	return rc;
}

int rj_write_behind_flush(struct rj_write_behind *behind,
			  struct ramjet_error *err)
{
	int rc;

	rj_lock(&behind->lock);
	rc = idle_locked(behind, err);
	rj_unlock(&behind->lock);
	return rc;
}
