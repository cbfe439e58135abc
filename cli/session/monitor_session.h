/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_SESSION_MONITOR_SESSION_H
#define RJ_CLI_SESSION_MONITOR_SESSION_H
/*
 * A session with --monitor: managers say what moves where. It stays after a
 * migration that failed, ready for another; it ends
 *   - when the migration of the command line completes,
 *   - when one of a manager's completed and the last client has gone,
 *   - on `quit`, SIGINT, SIGTERM or SIGHUP, which cancel what is under way.
 */
#include "cli/session/session.h"

/* In place of ramjet_guest_new(), so that the monitor sees each stop and
 * start. */
int rj_cli_session_new_monitored(struct rj_cli_session *session,
				 struct ramjet_error *err);
/* The guest that the session has taken is paused. */
void rj_cli_session_found_paused(struct rj_cli_session *session);
/* After _session_open(): the whole course, as rj_cli_session_run(). `uri` says
 * what to begin with, NULL: wait for a manager. */
void rj_cli_session_serve(struct rj_cli_session *session, const char *uri,
			  int (*begun)(struct rj_cli_session *session));
/* After the session's migration was freed. */
void rj_cli_session_free_monitor(struct rj_cli_session *session);
#endif
