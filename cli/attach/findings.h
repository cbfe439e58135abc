/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_ATTACH_FINDINGS_H
#define RJ_CLI_ATTACH_FINDINGS_H
/* Whether a process could be attached to, and what is missing, for people. */
#include <sys/types.h>

#include "ramjet.h"
#include "util/compiler.h"

/* One finding; `ok`: nothing is missing there. `line` is borrowed. */
typedef void rj_attach_finding_fn(void *user, bool ok, const char *line);

/* All there is to know for `ramjet features`: kernel, rights, ways. Nothing is
 * changed, the process is not stopped. `socket_path`: as of struct
 * rj_attach_order. True: it can be attached to. */
bool rj_attach_findings_tell(pid_t pid, const char *socket_path,
			     rj_attach_finding_fn *tell, void *user);
#endif
