/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_INJECT_H
#define RJ_CLI_ATTACH_INJECT_H
/*
 * One userfaultfd() in another process: its main thread is stopped by ptrace
 * for some hundred microseconds, makes the system call, and goes on as if
 * nothing had been. The descriptor is fetched from there (pidfd_getfd) and
 * closed there.
 *
 * What it is careful about:
 *  - Signals that come meanwhile are delivered, each once; a system call that
 *    the thread was in is restarted, or ends with EINTR, as without us.
 *  - A process that was stopped (SIGSTOP) stays stopped.
 *  - Killed at any moment, this process leaves the other one unharmed: before
 *    its registers are changed, a frame lies on its stack from which it puts
 *    them right itself (inject_net.h); at worst one descriptor stays open there.
 *  - A seccomp filter is asked first, and never provoked.
 */
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

struct rj_attach_injected {
	int uffd; /* close-on-exec, non-blocking, the only one */
	bool kernel_faults;
	uint64_t held_us; /* from the first request to stop to letting go */
};

/* For tests: called before each step that changes or resumes the other one. */
struct rj_attach_inject_watch {
	void (*step)(void *user, unsigned number, const char *what);
	void *user;
};

/* May be called from any thread: a short-lived one of its own does the work.
 * `watch` may be NULL. Errors as of rj_attach_process_open(), and -ETIMEDOUT:
 * the thread did not stop (it hangs in the kernel); -EOPNOTSUPP: not on this
 * architecture. */
RJ_NODISCARD int rj_attach_inject(pid_t pid, int pidfd,
				  const struct rj_attach_inject_watch *watch,
				  struct rj_attach_injected *ret,
				  struct ramjet_error *err);
#endif
