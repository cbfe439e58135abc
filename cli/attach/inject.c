/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/attach/inject_net.h"
#include "cli/attach/proc.h"
#include "cli/attach/rights.h"
#include "cli/attach/seccomp.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

#if RJ_INJECT_WORKS
/* linux/userfaultfd.h since 5.11 */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define UFFD_FLAGS (O_CLOEXEC | O_NONBLOCK)
/* Each one begins anew because a signal was delivered; a process that gets
 * more of them is better left alone. */
#define TRIES 100
#define AGAIN 1

struct injection {
	struct rj_tracee tracee;
	struct rj_inject_net net;
	const struct rj_attach_inject_watch *watch;
	unsigned steps;
	int mem_fd;
	int their_fd; /* in the tracee; -1: none (or none any more) */
	int fetch_rc;
	bool seccomp_checked;
	struct rj_attach_injected *result;
	struct ramjet_error *err;
	int rc;
};

static void step(struct injection *in, const char *what)
{
	in->steps++;
	if (in->watch)
		in->watch->step(in->watch->user, in->steps, what);
}

static int fail(struct injection *in, int rc, const char *what)
{
	if (rc == -ESRCH)
		return rj_fail(in->err, rc,
			       "process %d has ended, wanted it to live",
			       (int)in->tracee.pid);
	if (rc == -ETIMEDOUT)
		return rj_fail(in->err, rc,
			       "ptrace of process %d: its main thread does not "
			       "stop, wanted it not to hang in the kernel",
			       (int)in->tracee.pid);
	return rj_fail_errno(in->err, rc, "ptrace of process %d: %s",
			     (int)in->tracee.pid, what);
}

/* ---- stopping it ------------------------------------------------------- */

/* What comes before the halt that was asked for is delivered. */
static int wait_for_halt(struct injection *in)
{
	for (;;) {
		int rc = rj_tracee_wait(&in->tracee);

		if (rc < 0 || rc == RJ_TRACEE_HALTED)
			return rc;
		rc = rj_tracee_resume(&in->tracee, false);
		if (rc)
			return rc;
	}
}

static int halt(struct injection *in)
{
	int rc = rj_tracee_interrupt(&in->tracee);

	if (!rc)
		rc = wait_for_halt(in);
	return rc < 0 ? fail(in, rc, "halt") : 0;
}

/* A signal came before the call was made: it is delivered to the thread as it
 * was, so that a system call it was in ends as it should. Then all begins
 * anew. */
static int pass_on(struct injection *in)
{
	int rc = rj_inject_net_restore(&in->net, &in->tracee);

	step(in, "signal");
	if (!rc)
		rc = rj_tracee_interrupt(&in->tracee);
	if (!rc)
		rc = rj_tracee_resume(&in->tracee, false);
	if (!rc)
		rc = wait_for_halt(in);
	return rc < 0 ? fail(in, rc, "signal") : AGAIN;
}

/* ---- a call ------------------------------------------------------------ */

/* 0: it stands before the call. */
static int go_to_call(struct injection *in)
{
	for (;;) {
		int rc;

		step(in, "to the call");
		rc = rj_tracee_resume(&in->tracee, true);
		if (!rc)
			rc = rj_tracee_wait(&in->tracee);
		if (rc == RJ_TRACEE_SIGNAL)
			return pass_on(in);
		if (rc != RJ_TRACEE_HALTED)
			return rc < 0 ? fail(in, rc, "call") : 0;
	}
}

static int make_call(struct injection *in, long number, long argument,
		     long *ret)
{
	int rc;

	step(in, "registers");
	rc = rj_inject_net_aim(&in->net, &in->tracee, number, argument);
	if (rc)
		return fail(in, rc, "registers");
	rc = go_to_call(in);
	if (rc)
		return rc;
	step(in, "the call");
	rc = rj_tracee_resume(&in->tracee, true);
	if (!rc)
		rc = rj_tracee_wait(&in->tracee);
	if (rc >= 0 && rc != RJ_TRACEE_SYSCALL)
		rc = -EPROTO;
	if (rc == RJ_TRACEE_SYSCALL)
		rc = rj_inject_net_result(&in->tracee, ret);
	return rc ? fail(in, rc, "result") : 0;
}

/* Full ones want a privilege of the process itself, others are enough for what
 * can be done without. */
static int create(struct injection *in)
{
	long fd = -1;
	int rc = make_call(in, SYS_userfaultfd, UFFD_FLAGS, &fd);

	if (!rc && fd == -EPERM) {
		rc = make_call(in, SYS_userfaultfd,
			       UFFD_FLAGS | UFFD_USER_MODE_ONLY, &fd);
		in->result->kernel_faults = false;
	} else {
		in->result->kernel_faults = true;
	}
	if (rc)
		return rc;
	if (fd < 0)
		return rj_fail_errno(in->err, (int)fd,
				     "userfaultfd() in process %d",
				     (int)in->tracee.pid);
	in->their_fd = (int)fd;
	step(in, "descriptor");
	/* Also without success it is closed there. */
	in->result->uffd = pidfd_getfd(in->tracee.pidfd, in->their_fd, 0);
	in->fetch_rc = in->result->uffd < 0 ? -errno : 0;
	return 0;
}

static int close_theirs(struct injection *in)
{
	long result = 0;
	int rc = make_call(in, SYS_close, in->their_fd, &result);

	if (!rc)
		in->their_fd = -1;
	return rc;
}

/* ---- all of it --------------------------------------------------------- */

static int check_seccomp(struct injection *in)
{
	const struct rj_seccomp_call calls[] = {
		{ .number = SYS_userfaultfd, .args = { UFFD_FLAGS } },
		{ .number = SYS_userfaultfd,
		  .args = { UFFD_FLAGS | UFFD_USER_MODE_ONLY } },
		{ .number = SYS_close, .args = { 100 } },
	};

	if (in->seccomp_checked)
		return 0;
	in->seccomp_checked = true;
	return rj_seccomp_check(in->tracee.pid, calls, RJ_ARRAY_SIZE(calls),
				in->err);
}

/* Halted: 0 when all is done, AGAIN, or an error. */
static int attempt(struct injection *in)
{
	int rc = check_seccomp(in);

	if (!rc)
		rc = rj_inject_net_lay(&in->net, &in->tracee, in->mem_fd,
				       in->err);
	if (!rc && in->result->uffd < 0 && in->their_fd < 0)
		rc = create(in);
	if (!rc && in->their_fd >= 0)
		rc = close_theirs(in);
	if (!rc && in->fetch_rc)
		rc = fail(in, in->fetch_rc, "fetching a descriptor");
	return rc;
}

/* Back to where it was found: it is halted there once more, so that the kernel
 * sees a system call to be restarted just as it would have. */
static int put_back(struct injection *in)
{
	int rc;

	step(in, "restore");
	rc = rj_inject_net_restore(&in->net, &in->tracee);
	if (!rc)
		rc = rj_tracee_interrupt(&in->tracee);
	step(in, "halt again");
	if (!rc)
		rc = rj_tracee_resume(&in->tracee, false);
	if (!rc)
		rc = rj_tracee_wait(&in->tracee);
	step(in, "detach");
	return rc < 0 ? fail(in, rc, "restore") : 0;
}

static int inject(struct injection *in)
{
	int rc = halt(in);

	if (rc)
		return rc;
	for (unsigned i = 0; (rc = attempt(in)) == AGAIN; i++)
		if (i == TRIES)
			return rj_fail(in->err, -EAGAIN,
				       "ptrace of process %d: it gets signals "
				       "all the time, wanted a moment without",
				       (int)in->tracee.pid);
	if (in->net.frame && in->tracee.stopped) {
		int undone = put_back(in);

		rc = rc ? rc : undone;
	}
	return rc;
}

/* What is left undone by an error is undone by this thread's end: the kernel
 * lets go of what it traced. */
static void *run(void *user)
{
	struct injection *in = user;
	uint64_t begin_us;
	int rc = rj_tracee_seize(&in->tracee);

	if (rc) {
		in->rc = rj_attach_rights_fail(in->tracee.pid, "ptrace", rc,
					       in->err);
		return NULL;
	}
	begin_us = rj_now_us();
	rc = inject(in);
	rj_tracee_detach(&in->tracee);
	in->result->held_us = rj_now_us() - begin_us;
	in->rc = rc;
	return NULL;
}

static int run_in_thread(struct injection *in)
{
	pthread_t thread;
	sigset_t all;
	sigset_t before;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, NULL, run, in);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return rj_fail_errno(in->err, -rc, "ptrace: a thread");
	(void)pthread_join(thread, NULL);
	return in->rc;
}

int rj_attach_inject(pid_t pid, int pidfd,
		     const struct rj_attach_inject_watch *watch,
		     struct rj_attach_injected *ret, struct ramjet_error *err)
{
	rj_autoclose int mem_fd = rj_attach_proc_open(pid, "mem", O_RDWR);
	struct rj_attach_injected result = { .uffd = -1 };
	struct injection in = {
		.tracee = { .pid = pid, .pidfd = pidfd },
		.watch = watch,
		.mem_fd = mem_fd,
		.their_fd = -1,
		.result = &result,
		.err = err,
	};
	int rc;

	if (mem_fd < 0)
		return rj_attach_rights_fail(pid, "its memory", mem_fd, err);
	rc = rj_inject_net_find(pid, mem_fd, &in.net, err);
	if (!rc)
		rc = run_in_thread(&in);
	if (rc) {
		rj_close_fd(&result.uffd);
		return rc;
	}
	*ret = result;
	return 0;
}
#else
int rj_attach_inject(pid_t pid, int pidfd,
		     const struct rj_attach_inject_watch *watch,
		     struct rj_attach_injected *ret, struct ramjet_error *err)
{
	(void)pidfd;
	(void)watch;
	(void)ret;
	return rj_fail(err, -EOPNOTSUPP,
		       "ptrace of process %d: not on this architecture, wanted "
		       "x86-64; use via=preload",
		       (int)pid);
}
#endif
