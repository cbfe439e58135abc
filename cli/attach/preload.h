/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_PRELOAD_H
#define RJ_CLI_ATTACH_PRELOAD_H
/*
 * Asks libramjet-vmm.so, with which a process was started, for a userfaultfd
 * and its memory (cli/attach/vmm/vmm.h has what goes over the socket). No other
 * rights are needed than to be the same user, or root.
 */
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

struct rj_attach_handed {
	int uffd; /* -1: not asked for */
	int mem_fd;
	int pagemap_fd;
	bool kernel_faults;
};

/* Where the socket of `pid` is: `pattern` with "%p" made its pid, else
 * RAMJET_VMM_SOCKET of the process's environment, else of ours, else
 * ramjet/vmm-PID.sock in its user's runtime folder. */
void rj_attach_preload_path(pid_t pid, const char *pattern, char *path,
			    size_t bytes);
/* -ENOENT: nobody listens there. */
RJ_NODISCARD int rj_attach_preload_ask(pid_t pid, const char *path,
				       bool want_uffd,
				       struct rj_attach_handed *ret,
				       struct ramjet_error *err);
#endif
