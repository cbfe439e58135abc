/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_TRACEE_H
#define RJ_CLI_ATTACH_TRACEE_H
/*
 * One thread of another process under ptrace. All calls come from the thread
 * that seized it; when that thread ends, the kernel lets the tracee go.
 *
 * Never by single steps: they end in a SIGTRAP, which would be delivered, and
 * kill, if this process were killed just then. Stops at system calls
 * (PTRACE_O_TRACESYSGOOD) and PTRACE_EVENT_STOP leave nothing behind.
 */
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

enum rj_tracee_stop {
	RJ_TRACEE_HALTED,  /* as PTRACE_INTERRUPT wants it, or by SIGSTOP */
	RJ_TRACEE_SYSCALL, /* before or after a system call */
	RJ_TRACEE_SIGNAL,  /* `signal` is about to be delivered */
};

struct rj_tracee {
	pid_t pid;
	int pidfd;
	int signal;   /* of RJ_TRACEE_SIGNAL; resuming delivers it */
	bool stopped; /* its registers are there */
};

/* 0 or the errno of ptrace(), as a negative number. */
RJ_NODISCARD int rj_tracee_seize(struct rj_tracee *tracee);
/* Have it stop soon: RJ_TRACEE_HALTED, unless another stop comes first. */
RJ_NODISCARD int rj_tracee_interrupt(struct rj_tracee *tracee);
/* Go on, by PTRACE_CONT or PTRACE_SYSCALL; a signal it stands at is
 * delivered. */
RJ_NODISCARD int rj_tracee_resume(struct rj_tracee *tracee, bool to_syscall);
/* The next stop; -ESRCH: it has ended; -ETIMEDOUT. */
RJ_NODISCARD int rj_tracee_wait(struct rj_tracee *tracee);
/* It runs on; a signal it stands at is delivered. Nothing when not stopped. */
void rj_tracee_detach(struct rj_tracee *tracee);
#endif
