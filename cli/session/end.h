/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_SESSION_END_H
#define RJ_CLI_SESSION_END_H
/* The end of a session: result, report, exit status. The outcome decides the
 * status; what becomes of the words about it changes nothing. */
#include "cli/session/session.h"

/* Call `print`, which writes to standard output. Whatever becomes of that
 * changes nothing about the outcome. */
void rj_cli_session_print(struct rj_cli_session *session,
			  void (*print)(void *user), void *user);
/* Say the error, if any; write the report; free all. The exit status, which is
 * the outcome's, whatever becomes of the report. */
int rj_cli_session_finish(struct rj_cli_session *session);

/* Wrong usage of subcommand line->command: say it, report it. Exit status. */
int rj_cli_session_usage(const struct rj_cli_command_line *line,
			 const struct ramjet_error *error);
#endif
