/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/migration/confine.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "util/cpu_set.h"
#include "util/error.h"
#include "util/thread.h"

struct rj_confinement {
	struct rj_cpus ours, callers;
};

/* A thread of its own tries: the caller's must not move. */
struct trial {
	const struct rj_cpus *wanted;
	struct rj_cpus granted;
	int rc;
};

static void *try_them(void *arg)
{
	struct trial *trial = arg;

	trial->rc = rj_cpus_run_on(trial->wanted);
	if (!trial->rc)
		trial->rc = rj_cpus_allowed(&trial->granted);
	/* None of them can be used. */
	if (trial->rc == -EINVAL)
		trial->rc = 0;
	return NULL;
}

static int refuse_missing(const struct trial *trial, struct ramjet_error *err)
{
	char list[200] = "";
	size_t at = 0;

	for (unsigned cpu = 0; cpu < RJ_CPUS_MAX && at < sizeof(list); cpu++)
		if (rj_cpus_has(trial->wanted, cpu) &&
		    !rj_cpus_has(&trial->granted, cpu))
			at += (size_t)snprintf(list + at, sizeof(list) - at,
					       "%s%u", at ? ", " : "", cpu);
	if (!at)
		return 0;
	return rj_fail(err, -EINVAL,
		       "cpus: %s: offline, or not for this process; wanted "
		       "CPUs that it may run on",
		       list);
}

static int try_on_thread(const struct rj_cpus *wanted, struct ramjet_error *err)
{
	struct trial trial = { .wanted = wanted };
	pthread_t thread;
	int rc = rj_thread_start(&thread, "rj/cpus", try_them, &trial);

	if (rc)
		return rj_thread_fail(err, rc, "cpus: thread that tries them");
	(void)pthread_join(thread, NULL);
	if (trial.rc)
		return rj_fail_errno(err, trial.rc, "cpus: sched_setaffinity");
	return refuse_missing(&trial, err);
}

static int read_wish(const struct ramjet_params *params, struct rj_cpus *ret,
		     struct ramjet_error *err)
{
	*ret = (struct rj_cpus){ 0 };
	if (!params->cpus || !params->cpu_count)
		return rj_fail(err, -EINVAL,
			       "cpus: none given, wanted at least one; or no "
			       "array and no count");
	for (size_t i = 0; i < params->cpu_count; i++) {
		if (params->cpus[i] >= RJ_CPUS_MAX)
			return rj_fail(err, -EINVAL,
				       "cpus: %u, wanted less than %u",
				       params->cpus[i], RJ_CPUS_MAX);
		rj_cpus_add(ret, params->cpus[i]);
	}
	return 0;
}

int rj_confine_prepare(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_confinement *c;
	int rc;

	if (!m->params.cpus && !m->params.cpu_count)
		return 0;
	c = malloc(sizeof(*c));
	if (!c)
		return rj_fail(err, -ENOMEM, "cpus: out of memory");
	m->confinement = c;
	rc = read_wish(&m->params, &c->ours, err);
	if (!rc)
		rc = try_on_thread(&c->ours, err);
	if (rc)
		return rc;
	rc = rj_cpus_allowed(&c->callers);
	return rc ? rj_fail_errno(err, rc, "cpus: sched_getaffinity") : 0;
}

void rj_confine_done(struct ramjet_migration *m)
{
	free(m->confinement);
	m->confinement = NULL;
}

void rj_confine_enter(const struct rj_confinement *c)
{
	/* It was tried: what fails now is a CPU that has just gone. */
	if (c)
		(void)!rj_cpus_run_on(&c->ours);
}

void rj_confine_leave(const struct rj_confinement *c)
{
	if (c)
		(void)!rj_cpus_run_on(&c->callers);
}
