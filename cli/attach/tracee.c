/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/tracee.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "util/clock.h"

/* A thread that waits for a disk may be in the kernel for as long; chosen:
 * longer than an I/O of a machine that is not broken. */
#define STOP_NS UINT64_C(10000000000)
/* Stops take microseconds: looked for without sleeping for that long. */
#define SPIN_NS UINT64_C(2000000)
#define NAP_NS  100000

#define SYSCALL_STOP (SIGTRAP | 0x80)

static int call(const struct rj_tracee *tracee, enum __ptrace_request request,
		long data)
{
	return ptrace(request, tracee->pid, 0L, data) ? -errno : 0;
}

int rj_tracee_seize(struct rj_tracee *tracee)
{
	/* No PTRACE_O_EXITKILL, ever. */
	return call(tracee, PTRACE_SEIZE, PTRACE_O_TRACESYSGOOD);
}

int rj_tracee_interrupt(struct rj_tracee *tracee)
{
	return call(tracee, PTRACE_INTERRUPT, 0);
}

int rj_tracee_resume(struct rj_tracee *tracee, bool to_syscall)
{
	int rc = call(tracee, to_syscall ? PTRACE_SYSCALL : PTRACE_CONT,
		      tracee->signal);

	tracee->signal = 0;
	tracee->stopped = false;
	return rc;
}

static bool has_ended(const struct rj_tracee *tracee)
{
	struct pollfd look = { .fd = tracee->pidfd, .events = POLLIN };

	return poll(&look, 1, 0) > 0;
}

static enum rj_tracee_stop judge(struct rj_tracee *tracee, int status)
{
	tracee->stopped = true;
	tracee->signal = 0;
	if (status >> 8 == PTRACE_EVENT_STOP)
		return RJ_TRACEE_HALTED;
	if (status == SYSCALL_STOP)
		return RJ_TRACEE_SYSCALL;
	tracee->signal = status;
	return RJ_TRACEE_SIGNAL;
}

/* WSTOPPED alone: should it end, its status is its parent's to have, which may
 * be this very process. */
int rj_tracee_wait(struct rj_tracee *tracee)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	const uint64_t begin_ns = rj_now_ns();

	for (;;) {
		siginfo_t info = { 0 };
		uint64_t passed_ns;

		if (!waitid(P_PID, (id_t)tracee->pid, &info,
			    WSTOPPED | WNOHANG | __WALL) &&
		    info.si_pid == tracee->pid)
			return judge(tracee, info.si_status);
		if (has_ended(tracee))
			return -ESRCH;
		passed_ns = rj_now_ns() - begin_ns;
		if (passed_ns > STOP_NS)
			return -ETIMEDOUT;
		if (passed_ns < SPIN_NS)
			(void)sched_yield();
		else
			(void)nanosleep(&nap, NULL);
	}
}

void rj_tracee_detach(struct rj_tracee *tracee)
{
	if (tracee->stopped)
		(void)call(tracee, PTRACE_DETACH, tracee->signal);
	tracee->stopped = false;
}
