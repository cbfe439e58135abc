/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/thread.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/error.h"

#define TRIES_MAX 16u
#define NAP_NS    2000000

static _Thread_local const void *own_owner;

void rj_thread_give_to(const void *owner)
{
	own_owner = owner;
}

const void *rj_thread_owner(void)
{
	return own_owner;
}

/* What a new thread begins with; it frees this. */
struct beginning {
	void *(*run)(void *);
	void *argument;
	const void *owner;
};

static void *begin(void *argument)
{
	const struct beginning b = *(struct beginning *)argument;

	free(argument);
	rj_thread_give_to(b.owner);
	return b.run(b.argument);
}

void rj_thread_mask(sigset_t *ret)
{
	static const int faults[] = { SIGSEGV, SIGBUS,  SIGFPE,
				      SIGILL,  SIGTRAP, SIGSYS };

	(void)sigfillset(ret);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(faults); i++)
		(void)sigdelset(ret, faults[i]);
}

/* The maker's policy is only overruled where there is something to. */
static int set_policy(pthread_attr_t *attr)
{
	const struct sched_param normal = { 0 };
	int rc;

	if (sched_getscheduler(0) == SCHED_OTHER)
		return 0;
	rc = pthread_attr_setschedpolicy(attr, SCHED_OTHER);
	if (!rc)
		rc = pthread_attr_setschedparam(attr, &normal);
	if (!rc)
		rc = pthread_attr_setinheritsched(attr, PTHREAD_EXPLICIT_SCHED);
	return rc;
}

/* One that has ended counts for a moment more, even when it has been joined. */
static int create_soon(pthread_t *ret, const pthread_attr_t *attr,
		       void *(*run)(void *), void *argument)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	int rc = pthread_create(ret, attr, run, argument);

	for (unsigned i = 1; rc == EAGAIN && i < TRIES_MAX; i++) {
		(void)nanosleep(&nap, NULL);
		rc = pthread_create(ret, attr, run, argument);
	}
	return rc;
}

static int create(pthread_t *ret, pthread_attr_t *attr,
		  const struct rj_thread_options *options, void *(*run)(void *),
		  void *argument)
{
	int rc = 0;

	if (options->detached)
		rc = pthread_attr_setdetachstate(attr, PTHREAD_CREATE_DETACHED);
	if (!rc)
		rc = pthread_attr_setstacksize(
			attr, options->stack_bytes ? options->stack_bytes
						   : RJ_THREAD_STACK_BYTES);
	if (!rc)
		rc = set_policy(attr);
	if (!rc)
		rc = create_soon(ret, attr, run, argument);
	/* A sandbox may forbid to choose a policy: then the maker's is used. */
	if (rc != EPERM)
		return rc;
	rc = pthread_attr_setinheritsched(attr, PTHREAD_INHERIT_SCHED);
	return rc ? rc : create_soon(ret, attr, run, argument);
}

int rj_thread_start_as(pthread_t *ret, const struct rj_thread_options *options,
		       void *(*run)(void *), void *argument)
{
	rj_autofree struct beginning *b = malloc(sizeof(*b));
	sigset_t ours, before;
	pthread_attr_t attr;
	int rc = b ? pthread_attr_init(&attr) : ENOMEM;

	if (rc)
		return -rc;
	*b = (struct beginning){ run, argument, rj_thread_owner() };
	rj_thread_mask(&ours);
	/* A new thread inherits the mask of its maker. */
	rc = pthread_sigmask(SIG_SETMASK, &ours, &before);
	if (!rc) {
		rc = create(ret, &attr, options, begin, b);
		(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	(void)pthread_attr_destroy(&attr);
	if (!rc)
		(void)rj_steal(b);
	/* A detached one may be over already. */
	if (!rc && !options->detached)
		(void)pthread_setname_np(*ret, options->name);
	return -rc;
}

int rj_thread_start(pthread_t *ret, const char *name, void *(*run)(void *),
		    void *argument)
{
	const struct rj_thread_options options = { .name = name };

	return rj_thread_start_as(ret, &options, run, argument);
}

/* The least pids.max seen. */
static void take_limit(void *user, const struct rj_cgroup *group)
{
	char words[2][RJ_CGROUP_WORD_BYTES] = { "", "" };
	unsigned long long *least = user, most;
	char *end;

	if (!rj_cgroup_read(group, "pids.max", words))
		return;
	most = strtoull(words[0], &end, 10);
	/* "max" is none */
	if (end != words[0] && most < *least)
		*least = most;
}

void rj_thread_limits(const char *root, char *text, size_t size)
{
	unsigned long long pids_max = ~0ULL;
	struct rlimit processes = { RLIM_INFINITY, RLIM_INFINITY };
	char own[32] = "none", group[32] = "none";

	(void)getrlimit(RLIMIT_NPROC, &processes);
	rj_cgroup_visit(root, "pids", take_limit, &pids_max);
	if (processes.rlim_cur != RLIM_INFINITY)
		(void)snprintf(own, sizeof(own), "%llu",
			       (unsigned long long)processes.rlim_cur);
	if (pids_max != ~0ULL)
		(void)snprintf(group, sizeof(group), "%llu", pids_max);
	(void)snprintf(text, size,
		       " (limits of threads: ulimit -u %s, the control "
		       "group's pids.max %s)",
		       own, group);
}

int rj_thread_fail(struct ramjet_error *err, int rc, const char *format, ...)
{
	char what[128], limits[128] = "";
	va_list args;

	va_start(args, format);
	(void)vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (rc == -EAGAIN)
		rj_thread_limits("", limits, sizeof(limits));
	return rj_fail_errno(err, rc, "%s: its thread does not start%s", what,
			     limits);
}
