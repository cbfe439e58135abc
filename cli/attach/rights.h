/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_RIGHTS_H
#define RJ_CLI_ATTACH_RIGHTS_H
/* Why a process may not be attached to, said so that somebody can act on it. */
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

/* The kernel refused `what` ("ptrace") with `code`: the first reason that is
 * found, and what would help. Returns a negative errno. */
RJ_NODISCARD int rj_attach_rights_fail(pid_t pid, const char *what, int code,
				       struct ramjet_error *err);
#endif
