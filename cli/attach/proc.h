/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_PROC_H
#define RJ_CLI_ATTACH_PROC_H
/* The small texts that /proc has of a process. */
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

/* Enough for /proc/PID/status, which has some 1.5 KiB. */
#define RJ_PROC_STATUS_BYTES 8192

/* A descriptor of /proc/PID/NAME, or a negative errno. */
RJ_NODISCARD int rj_attach_proc_open(pid_t pid, const char *name, int flags);
/* All of it, malloc()ed, with a NUL after it. */
RJ_NODISCARD int rj_attach_proc_read(pid_t pid, const char *name, char **ret,
				     size_t *ret_bytes);
/* The number after "NAME:" in a text such as /proc/PID/status, in `base`;
 * `index` counts from 0 where several follow. False: it isn't there. */
bool rj_attach_proc_number(const char *text, const char *name, int base,
			   unsigned index, uint64_t *ret);
#endif
