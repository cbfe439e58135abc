/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/session/session.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/human.h"
#include "cli/base/signals.h"
#include "cli/base/terminal.h"
#include "cli/options/clash.h"
#include "cli/options/command_line.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/log.h"
#include "util/parse.h"

#define TICK_MS         100
#define GRACE_US        500000
#define SOURCE_RUN_US   200000
#define SOURCE_QUIET_US 200000

static const char *name_of(const struct rj_cli_session *s)
{
	return rj_cli_command_name(s->line->command);
}

void rj_cli_session_fail(struct rj_cli_session *s,
			 const struct ramjet_error *error,
			 enum rj_cli_exit status)
{
	if (s->exit_status)
		return;
	s->error = *error;
	s->exit_status = status;
}

/* A request that can't be met as it stands is wrong usage; everything else is a
 * failure. */
static enum rj_cli_exit status_of(int code)
{
	return code == -EINVAL || code == -ERANGE || code == -ENOTSUP
		       ? RJ_CLI_EXIT_USAGE
		       : RJ_CLI_EXIT_FAILED;
}

int rj_cli_session_keep(struct rj_cli_session *s, int rc,
			const struct ramjet_error *error)
{
	if (rc < 0)
		rj_cli_session_fail(s, error, status_of(rc));
	return rc;
}

static void log_line(void *user, int level, const char *message)
{
	struct rj_cli_session *s = user;

	if (level <= s->line->log_level)
		rj_cli_progress_note(&s->progress, "ramjet %s: %s", name_of(s),
				     message);
}

/* A descriptor that isn't open is refused by the library. Checked before this
 * process opens something that gets the number. */
static int check_inherited(const char *uri, int ready_fd,
			   struct ramjet_error *err)
{
	uint64_t fd;

	if (ready_fd >= 0 && fcntl(ready_fd, F_GETFD) < 0)
		return rj_fail(err, -EBADF,
			       "--ready-fd %d: not open in this process, "
			       "wanted a pipe or file to write to",
			       ready_fd);
	if (!uri || strncmp(uri, "fd:", 3) ||
	    rj_parse_uint("fd", uri + 3, 0, INT_MAX, &fd, NULL) ||
	    fcntl((int)fd, F_GETFD) >= 0)
		return 0;
	return rj_fail(err, -EBADF,
		       "%s: not open in this process, wanted an open socket, "
		       "pipe or file",
		       uri);
}

/* Of what the command line names. A report that would be written over
 * something else isn't. */
static void check_clashes(struct rj_cli_session *s, const char **json)
{
	struct rj_cli_command_line others = *s->line;
	struct ramjet_error error = { 0 };

	if (!rj_cli_clash_check(s->line, s->role, s->line->uri, &error))
		return;
	rj_cli_session_fail(s, &error, RJ_CLI_EXIT_USAGE);
	others.json = NULL;
	if (!rj_cli_clash_check(&others, s->role, s->line->uri, NULL))
		*json = NULL;
}

void rj_cli_session_init(struct rj_cli_session *s,
			 const struct rj_cli_command_line *line)
{
	struct ramjet_error error = { 0 };
	const int rc = check_inherited(line->uri, line->ready_fd, &error);
	const char *json = line->json;

	*s = (struct rj_cli_session){
		.line = line,
		.role = line->command == RJ_CLI_RECV ? RJ_CLI_TARGET
						     : RJ_CLI_SOURCE,
		.json = RJ_CLI_REPORT_FILE_NONE,
	};
	rj_cli_progress_init(&s->progress, line->progress, stderr);
	if (rc)
		rj_cli_session_fail(s, &error, RJ_CLI_EXIT_USAGE);
	check_clashes(s, &json);
	if (json && rj_cli_report_open(json, &s->json, &error) < 0)
		rj_cli_session_fail(s, &error, RJ_CLI_EXIT_USAGE);
}

/* A stream on standard output is nothing but that: what is for people goes to
 * standard error from now on. */
static int take_stdout(char *text, size_t bytes, const char **ret_uri,
		       struct ramjet_error *err)
{
	const int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	if (fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return rj_fail_errno(err, -errno, "fd:1: duplicating it");
	(void)snprintf(text, bytes, "fd:%d", fd);
	*ret_uri = text;
	return 0;
}

/* A signal also ends the look-up of a name, which may take long. */
static int listen_for_it(struct rj_cli_session *s, const char *uri,
			 struct ramjet_params *params,
			 struct ramjet_migration **ret,
			 struct ramjet_error *err)
{
	const int fd = rj_cli_signals_fd();
	int rc;

	params->cancel_fd = fd;
	rc = ramjet_incoming(s->handle, uri, params, ret, err);
	params->cancel_fd = -1;
	rj_cli_signals_close_fd();
	if (rc == -ECANCELED && rj_cli_signals_cancel())
		rj_error_prefix(err, "cancelled by signal %d",
				rj_cli_signals_cancel());
	return rc;
}

int rj_cli_session_start(struct rj_cli_session *s, enum rj_cli_role role,
			 const char *uri, const struct ramjet_params *params,
			 struct ramjet_migration **ret,
			 struct ramjet_error *err)
{
	struct ramjet_params logged = *params;
	char own[16];
	int rc = rj_cli_clash_check(s->line, role, uri, err);

	if (rc >= 0 && role == RJ_CLI_SOURCE && !strcmp(uri, "fd:1"))
		rc = take_stdout(own, sizeof(own), &uri, err);
	if (rc < 0)
		return rc;
	logged.log = log_line;
	logged.log_user = s;
	if (!logged.state_hint_us)
		logged.state_hint_us = s->guest->kind->state_hint_us;
	if (role == RJ_CLI_TARGET)
		return listen_for_it(s, uri, &logged, ret, err);
	return ramjet_migrate(s->handle, uri, &logged, ret, err);
}

/* Sources give up by themselves, and say more; but not while they connect,
 * so they are helped a little later. */
static bool is_late(const struct rj_cli_session *s, uint64_t begun_us)
{
	uint64_t limit_us = s->line->timeout_us;

	if (s->role == RJ_CLI_SOURCE)
		limit_us += GRACE_US;
	return s->line->timeout_us && rj_now_us() - begun_us >= limit_us;
}

/* Then a cancel ends a wait at most, and not the migration. */
static bool is_committed(const struct rj_cli_session *s)
{
	const enum ramjet_state state = ramjet_migration_state(s->migration);

	return state == RAMJET_STATE_COMMITTED ||
	       state == RAMJET_STATE_COMPLETED ||
	       state == RAMJET_STATE_UNCONFIRMED;
}

/* Handle what signals have asked for meanwhile. */
static void obey(struct rj_cli_session *s, uint64_t begun_us)
{
	struct ramjet_error error = { 0 };
	char span[RJ_CLI_HUMAN_BYTES];
	int number = rj_cli_signals_cancel();
	int rc;

	if (rj_cli_signals_take_switchover())
		(void)ramjet_switchover(s->migration);
	if (number)
		(void)rj_fail(&error, -ECANCELED, "cancelled by signal %d",
			      number);
	else if (is_late(s, begun_us))
		(void)rj_fail(&error, -ETIMEDOUT,
			      "--timeout: not completed within %s",
			      rj_cli_human_time(s->line->timeout_us, span));
	if (!error.code)
		return;
	/* Past the point of no return there is nothing to cancel. */
	rc = ramjet_cancel(s->migration);
	if (!rc && !is_committed(s))
		rj_cli_session_fail(s, &error, RJ_CLI_EXIT_FAILED);
	if (rc == -EBUSY && !s->bound_said)
		rj_cli_progress_note(&s->progress,
				     "ramjet %s: ready, so the source decides "
				     "now; another signal ends this at once",
				     name_of(s));
	s->bound_said = s->bound_said || rc == -EBUSY;
}

static void show_progress(struct rj_cli_session *s)
{
	struct ramjet_info *info;

	if (ramjet_info(s->migration, &info) < 0)
		return;
	rj_cli_progress_update(&s->progress, info);
	ramjet_info_free(info);
}

int rj_cli_session_wait(struct rj_cli_session *s)
{
	uint64_t begun_us = rj_now_us();
	struct ramjet_error error;
	enum ramjet_state state;
	int rc;

	for (;;) {
		rj_error_clear(&error);
		rc = ramjet_wait(s->migration, TICK_MS, &error);
		state = ramjet_migration_state(s->migration);
		if (ramjet_state_is_final(state))
			break;
		show_progress(s);
		obey(s, begun_us);
	}
	/* It may have ended just after the tick; a peer's timeout looks like
	 * that, and stays what it is. */
	if (rc == -ETIMEDOUT) {
		rj_error_clear(&error);
		rc = ramjet_wait(s->migration, -1, &error);
	}
	/* A cancel that came too late does not count. */
	if (rc >= 0) {
		rj_error_clear(&s->error);
		s->exit_status = RJ_CLI_EXIT_COMPLETED;
	}
	if (ramjet_info(s->migration, &s->info) < 0)
		s->info = NULL;
	if (ramjet_savings(s->migration, &s->savings) < 0)
		s->savings = NULL;
	rj_cli_progress_finish(&s->progress, s->info);
	if (rc < 0)
		rj_cli_session_fail(s, &error,
				    state == RAMJET_STATE_UNCONFIRMED
					    ? RJ_CLI_EXIT_UNCONFIRMED
					    : RJ_CLI_EXIT_FAILED);
	return rc;
}

static void say_check(struct rj_cli_session *s, const char *who)
{
	char pages[RJ_CLI_HUMAN_BYTES], writes[RJ_CLI_HUMAN_BYTES];

	if (s->role == RJ_CLI_TARGET)
		return; /* the result says it */
	rj_cli_progress_note(&s->progress,
			     "ramjet %s: %s: %s writes since, %s pages clean",
			     name_of(s), who,
			     rj_cli_human_count(s->check.trial_writes, writes),
			     rj_cli_human_count(s->check.pages, pages));
}

/* Let it run for a moment, and look at all of its memory. */
static int trial(struct rj_cli_session *s, uint64_t run_us, const char *who)
{
	struct ramjet_error error = { 0 };
	int rc = rj_cli_guest_trial(s->guest, run_us, &s->check, &error);

	s->checked = true;
	s->check_clean = rc >= 0;
	if (rc >= 0) {
		say_check(s, who);
		return 0;
	}
	/* Printed here too, since only the first error is reported. */
	if (s->exit_status)
		rj_cli_progress_note(&s->progress, "ramjet %s: %s", name_of(s),
				     error.message);
	rj_cli_session_fail(s, &error, RJ_CLI_EXIT_FAILED);
	return rc;
}

static int watch_quiet(struct rj_cli_session *s)
{
	struct ramjet_error error = { 0 };
	int rc = rj_cli_guest_watch_quiet(s->guest, SOURCE_QUIET_US, &error);

	if (rc < 0)
		rj_cli_session_fail(s, &error, RJ_CLI_EXIT_FAILED);
	return rc;
}

/* Print the error once, before what follows from it. */
void rj_cli_session_say_error(struct rj_cli_session *s)
{
	if (s->exit_status == RJ_CLI_EXIT_USAGE && !s->error_said)
		rj_cli_progress_note(&s->progress,
				     "ramjet %s: %s; see 'ramjet %s --help'",
				     name_of(s), s->error.message, name_of(s));
	else if (s->exit_status && !s->error_said)
		rj_cli_progress_note(&s->progress, "ramjet %s: %s", name_of(s),
				     s->error.message);
	s->error_said = s->exit_status;
}

/* What has arrived must be on disk: if that fails, the command fails, even
 * after a success. */
static int settle(struct rj_cli_session *s)
{
	struct ramjet_error error = { 0 };
	int rc;

	if (s->role == RJ_CLI_SOURCE || !s->guest || !s->guest->kind->settle ||
	    !s->info || s->info->state != RAMJET_STATE_COMPLETED)
		return 0;
	rc = s->guest->kind->settle(s->guest, &error);
	if (rc < 0)
		rj_cli_session_fail(s, &error, RJ_CLI_EXIT_FAILED);
	rj_cli_session_say_error(s);
	return rc;
}

/* The guest was paused on the source, and without a monitor it could never be
 * started here. */
static int start_if_paused(struct rj_cli_session *s)
{
	struct ramjet_error error = { 0 };
	int rc;

	if (s->monitor || !ramjet_guest_is_paused(s->handle))
		return 0;
	rj_cli_progress_note(&s->progress,
			     "ramjet %s: the guest has arrived paused; it runs "
			     "for its self-check",
			     name_of(s));
	rc = s->guest->kind->ops->start(s->guest, &error);
	if (rc < 0)
		rj_cli_session_fail(s, &error, RJ_CLI_EXIT_FAILED);
	return rc;
}

/* What has become of somebody else's guest on this side. */
static void say_outcome(struct rj_cli_session *s)
{
	const enum ramjet_state state =
		s->migration ? ramjet_migration_state(s->migration)
			     : RAMJET_STATE_NONE;
	struct ramjet_error error = { 0 };
	char text[512] = "";
	int rc;

	if (!s->guest || !s->guest->kind->outcome)
		return;
	rc = s->guest->kind->outcome(s->guest, state, s->line->quit_source,
				     text, sizeof(text), &error);
	if (*text)
		rj_cli_progress_note(&s->progress, "ramjet %s: %s", name_of(s),
				     text);
	if (rc < 0)
		rj_cli_session_fail(s, &error, RJ_CLI_EXIT_FAILED);
	rj_cli_session_say_error(s);
}

static int trial_of_target(struct rj_cli_session *s)
{
	const int rc = start_if_paused(s);

	return rc < 0 ? rc : trial(s, s->line->run_us, "the guest runs on");
}

int rj_cli_session_aftermath(struct rj_cli_session *s)
{
	bool source = s->role == RJ_CLI_SOURCE;
	enum ramjet_state state;

	rj_cli_session_say_error(s);
	say_outcome(s);
	if (settle(s) < 0)
		return -EIO;
	if (!s->guest || !s->guest->kind->live ||
	    s->exit_status == RJ_CLI_EXIT_USAGE)
		return 0;
	state = s->migration ? ramjet_migration_state(s->migration)
			     : RAMJET_STATE_FAILED;
	switch (state) {
	case RAMJET_STATE_COMPLETED:
		return source ? watch_quiet(s) : trial_of_target(s);
	case RAMJET_STATE_UNCONFIRMED:
		rj_cli_progress_note(
			&s->progress,
			"ramjet %s: the guest stays stopped on this side; make "
			"sure by hand which side runs",
			name_of(s));
		return 0;
	default:
		/* A target whose guest never started has nothing to run. */
		if (!source || !s->guest->kind->running(s->guest))
			return 0;
		return trial(s, SOURCE_RUN_US, "the source guest runs on");
	}
}
