/* SPDX-License-Identifier: BSD-3-Clause */
#include <unistd.h>

#include "cli/base/bad_memory.h"
#include "cli/base/signals.h"
#include "cli/commands/command.h"
#include "cli/guest_kinds.h"
#include "cli/options/command_line.h"
#include "cli/session/end.h"
#include "cli/session/result.h"
#include "cli/session/run.h"

static void say_hold(struct rj_cli_session *session)
{
	if (session->line->params.hold)
		rj_cli_progress_note(&session->progress,
				     "ramjet send: once converged, 'kill -USR1 "
				     "%d' switches over",
				     (int)getpid());
}

int rj_cli_send(int argc, char **argv)
{
	struct ramjet_error error = { 0 };
	struct rj_cli_command_line line;
	struct rj_cli_session session;

	if (rj_cli_command_line_parse(RJ_CLI_SEND, argc, argv, &line, &error))
		return rj_cli_session_usage(&line, &error);
	if (line.help) {
		rj_cli_command_line_help(RJ_CLI_SEND, stdout);
		return RJ_CLI_EXIT_COMPLETED;
	}
	rj_cli_signals_install();
	rj_cli_bad_memory_handle();
	rj_cli_session_init(&session, &line);
	if (rj_cli_session_open(&session, rj_cli_guest_new) >= 0) {
		say_hold(&session);
		rj_cli_session_run(&session, line.uri, NULL);
	}
	if (!session.exit_status)
		rj_cli_session_print(&session, rj_cli_result_show, &session);
	return rj_cli_session_finish(&session);
}
