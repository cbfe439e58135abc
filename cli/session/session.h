/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_SESSION_SESSION_H
#define RJ_CLI_SESSION_SESSION_H
/*
 * One migration of one guest, seen from one side, from the command line to
 * the report. `send`, `recv` and the source of `demo` are each one session.
 * Here are its parts; run.h puts them together.
 *
 * Every step returns 0 or a negative errno; the first failure is kept and
 * decides report and exit status, so callers just go on to _finish (end.h).
 */
#include "cli/report/file.h"
#include "cli/report/json.h"
#include "cli/report/progress.h"

struct rj_cli_monitor;

struct rj_cli_session {
	const struct rj_cli_command_line *line;
	enum rj_cli_role role;
	struct rj_cli_guest *guest;
	struct ramjet_guest *handle;
	struct ramjet_migration *migration;
	struct ramjet_info *info;       /* of the end; NULL before */
	struct ramjet_savings *savings; /* likewise */
	struct rj_cli_progress progress;
	struct ramjet_error error;
	enum rj_cli_exit exit_status;
	struct rj_cli_report_file json;
	bool ready_said;
	bool error_said;
	bool bound_said; /* that the target may not cancel any more */
	bool checked;
	bool check_clean;
	struct rj_cli_guest_check check;
	json_t *target; /* demo: the other side's report; *taken* */
	struct rj_cli_monitor *monitor; /* NULL without --monitor */
	/* A thread still writes to a reader that doesn't read, */
	bool report_stuck;
	bool result_stuck; /* and may look at what this session has */
};

/* Never fails; what went wrong is kept. `line` is borrowed. */
void rj_cli_session_init(struct rj_cli_session *session,
			 const struct rj_cli_command_line *line);
/* Source: begin to move the guest to `uri`. Target: listen. `params` without
 * a log. */
int rj_cli_session_start(struct rj_cli_session *session, enum rj_cli_role role,
			 const char *uri, const struct ramjet_params *params,
			 struct ramjet_migration **ret,
			 struct ramjet_error *err);
/* Until the end, whatever it is. 0 when completed. */
int rj_cli_session_wait(struct rj_cli_session *session);
/* Live guests, after a wait: what must hold on this side now is tried. The
 * source of a failed migration runs on, that of a completed one keeps quiet;
 * the target runs on for line->run_us. Each is checked, and said. */
int rj_cli_session_aftermath(struct rj_cli_session *session);
/* Say the error, if any, once. */
void rj_cli_session_say_error(struct rj_cli_session *session);

/* Keep a failure that happened outside; the first one stays. */
void rj_cli_session_fail(struct rj_cli_session *session,
			 const struct ramjet_error *error,
			 enum rj_cli_exit status);
/* As that, unless rc is 0 or positive; what can't be met as asked is wrong
 * usage. Returns rc. */
int rj_cli_session_keep(struct rj_cli_session *session, int rc,
			const struct ramjet_error *error);
#endif
