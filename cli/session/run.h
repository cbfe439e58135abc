/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_SESSION_RUN_H
#define RJ_CLI_SESSION_RUN_H
/* The course of a session, from the guest's creation on. */
#include "cli/session/session.h"

/* Create the guest, by `new_guest`, and tell the library about it. */
int rj_cli_session_open(struct rj_cli_session *session,
			rj_cli_guest_new_fn *new_guest);
/* Opened: let a source's guest run, and move it to or from `uri`; with a
 * monitor as many migrations as it says. Then the aftermath. `begun` (NULL
 * ok) is called after each beginning; when it fails, that was all. */
void rj_cli_session_run(struct rj_cli_session *session, const char *uri,
			int (*begun)(struct rj_cli_session *session));
#endif
