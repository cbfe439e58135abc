/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/bad_memory.h"
#include "cli/base/signals.h"
#include "cli/commands/command.h"
#include "cli/guest_kinds.h"
#include "cli/options/command_line.h"
#include "cli/session/end.h"
#include "cli/session/result.h"
#include "cli/session/run.h"
#include "util/error.h"

static bool listens(const char *uri)
{
	return !strncmp(uri, "tcp:", 4) || !strncmp(uri, "unix:", 5) ||
	       !strncmp(uri, "vsock:", 6);
}

/* People read where to send to; scripts are told on a descriptor. A line for
 * each address. */
static int say_ready(struct rj_cli_session *session)
{
	int fd = session->line->ready_fd;
	struct ramjet_error error = { 0 };
	const char *uri;
	int written = 0;

	for (size_t i = 0; session->line->progress != RJ_CLI_PROGRESS_NONE &&
			   (uri = ramjet_listen_uri_at(session->migration, i));
	     i++)
		rj_cli_progress_note(
			&session->progress, "%s %s",
			listens(uri) ? "listening on" : "reading from", uri);
	if (fd < 0 || session->ready_said)
		return 0;
	session->ready_said = true;
	for (size_t i = 0; written >= 0 &&
			   (uri = ramjet_listen_uri_at(session->migration, i));
	     i++)
		written = dprintf(fd, "%s\n", uri);
	if (written < 0) {
		(void)rj_fail_errno(&error, -errno, "--ready-fd %d: write", fd);
		rj_cli_session_fail(session, &error, RJ_CLI_EXIT_USAGE);
		return error.code;
	}
	(void)close(fd);
	return 0;
}

int rj_cli_recv(int argc, char **argv)
{
	struct ramjet_error error = { 0 };
	struct rj_cli_command_line line;
	struct rj_cli_session session;

	if (rj_cli_command_line_parse(RJ_CLI_RECV, argc, argv, &line, &error))
		return rj_cli_session_usage(&line, &error);
	if (line.help) {
		rj_cli_command_line_help(RJ_CLI_RECV, stdout);
		return RJ_CLI_EXIT_COMPLETED;
	}
	rj_cli_signals_install();
	rj_cli_bad_memory_handle();
	rj_cli_session_init(&session, &line);
	if (rj_cli_session_open(&session, rj_cli_guest_new) >= 0)
		rj_cli_session_run(&session, line.uri, say_ready);
	if (!session.exit_status)
		rj_cli_session_print(&session, rj_cli_result_show, &session);
	return rj_cli_session_finish(&session);
}
