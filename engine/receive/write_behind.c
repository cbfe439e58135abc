/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/receive/write_behind.h"

#include "util/error.h"

/* Wait for a job. False: the thread is to end. */
static bool await_job(struct rj_write_behind *behind, struct rj_write_job *ret)
{
	bool found;

	rj_lock(&behind->side.lock);
	while (!behind->side.stop && !behind->busy)
		rj_cond_wait(&behind->side.changed, &behind->side.lock);
	*ret = behind->job;
	found = behind->busy;
	rj_unlock(&behind->side.lock);
	return found;
}

static void end_job(struct rj_write_behind *behind,
		    const struct ramjet_error *err)
{
	rj_lock(&behind->side.lock);
	behind->busy = false;
	if (err->code && !behind->failure.code)
		behind->failure = *err;
	(void)pthread_cond_broadcast(&behind->side.changed);
	rj_unlock(&behind->side.lock);
}

static void *write_thread(void *arg)
{
	struct rj_write_behind *behind = arg;
	struct rj_write_job job;

	while (await_job(behind, &job)) {
		struct ramjet_error err = { 0 };

		(void)!rj_first_touch_write(job.touch, job.parts, job.count,
					    job.data, &err);
		rj_side_thread_count(&behind->side);
		end_job(behind, &err);
	}
	return NULL;
}

int rj_write_behind_start(struct rj_write_behind *behind, unsigned worker)
{
	return rj_side_thread_start(&behind->side, "write", worker,
				    write_thread, behind);
}

void rj_write_behind_stop(struct rj_write_behind *behind)
{
	rj_side_thread_stop(&behind->side);
}

static int idle_locked(struct rj_write_behind *behind, struct ramjet_error *err)
	RJ_REQUIRES(behind->side.lock)
{
	while (behind->busy)
		rj_cond_wait(&behind->side.changed, &behind->side.lock);
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

	rj_lock(&behind->side.lock);
	rc = idle_locked(behind, err);
	if (!rc) {
		behind->job = *job;
		behind->busy = true;
		(void)pthread_cond_broadcast(&behind->side.changed);
	}
	rj_unlock(&behind->side.lock);
	return rc;
}

int rj_write_behind_flush(struct rj_write_behind *behind,
			  struct ramjet_error *err)
{
	int rc;

	rj_lock(&behind->side.lock);
	rc = idle_locked(behind, err);
	rj_unlock(&behind->side.lock);
	return rc;
}
