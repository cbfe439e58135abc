/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_INJECT_NET_H
#define RJ_CLI_ATTACH_INJECT_NET_H
/*
 * System calls in another process's thread, and the net below them.
 *
 * The thread is sent to a "syscall; ret" that is somewhere in its code, with
 * its stack pointer at a frame such as the kernel makes for a signal handler:
 *
 *     address of libc's "mov $15, %eax; syscall"   (rt_sigreturn)
 *     struct ucontext: all registers, as they were
 *     the state of FPU and vector units
 *
 * While we live it never gets past the system call: we look at the result, and
 * put the registers back. Should we be killed, the kernel lets the thread go
 * wherever it stands; it then returns into that frame, and the kernel itself
 * restores all registers. (Only a thread with a shadow stack, which glibc does
 * not turn on by itself, would not get through.)
 */
#include "cli/attach/tracee.h"

#if defined(__x86_64__)
#include <sys/user.h>
#define RJ_INJECT_WORKS 1
struct rj_inject_net {
	uint64_t call_at;   /* "syscall; ret" */
	uint64_t return_at; /* "mov $15, %rax; syscall" */
	struct user_regs_struct found;
	uint64_t frame; /* its address in the tracee */
};
#else
#define RJ_INJECT_WORKS 0
struct rj_inject_net {
	uint64_t frame;
};
#endif

/* Find the two pieces of code; nothing is stopped for that. `mem_fd` is
 * /proc/PID/mem. */
RJ_NODISCARD int rj_inject_net_find(pid_t pid, int mem_fd,
				    struct rj_inject_net *ret,
				    struct ramjet_error *err);
/* The tracee has stopped: keep its registers, lay the frame. */
RJ_NODISCARD int rj_inject_net_lay(struct rj_inject_net *net,
				   const struct rj_tracee *tracee, int mem_fd,
				   struct ramjet_error *err);
/* Its registers now make a call of one argument. 0 or a negative errno, as all
 * below. */
RJ_NODISCARD int rj_inject_net_aim(const struct rj_inject_net *net,
				   const struct rj_tracee *tracee, long number,
				   long argument);
/* What the call returned. */
RJ_NODISCARD int rj_inject_net_result(const struct rj_tracee *tracee,
				      long *ret);
/* Its registers are as they were found. */
RJ_NODISCARD int rj_inject_net_restore(const struct rj_inject_net *net,
				       const struct rj_tracee *tracee);
#endif
