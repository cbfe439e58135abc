/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_SECCOMP_H
#define RJ_CLI_ATTACH_SECCOMP_H
/*
 * What a process's seccomp filters would do about a system call, found out
 * without making it: many end the process for a call they don't know.
 */
#include <linux/filter.h>
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

struct rj_seccomp_call {
	int number;
	uint64_t args[6];
};

/* What the filter, a program as the kernel checked it, returns for the call:
 * SECCOMP_RET_*, with its data. */
uint32_t rj_seccomp_run(const struct sock_filter *filter, size_t count,
			const struct rj_seccomp_call *call);

/* How many filters the main thread of a process has; 0: none. */
unsigned rj_seccomp_count(pid_t pid);

/*
 * Would all of `calls` be made? Of a tracee that is stopped, by its tracer. To
 * read filters takes CAP_SYS_ADMIN; without it, a QEMU whose only filter is the
 * one it has itself set up (-sandbox on), which lets all of this pass, is taken
 * for what it is, and any other one refused. 0, or -EPERM and the reason.
 */
RJ_NODISCARD int rj_seccomp_check(pid_t pid,
				  const struct rj_seccomp_call *calls,
				  size_t count, struct ramjet_error *err);
/* Beforehand, untraced: could the filters be read, or are they known? What they
 * say is left open. */
RJ_NODISCARD int rj_seccomp_foreseen(pid_t pid, struct ramjet_error *err);
#endif
