/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/session/end.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/patience.h"
#include "cli/options/command_line.h"
#include "cli/session/monitor_session.h"

/* how long the report or the result may wait for a reader */
#define READER_MS 5000
#define DISK_MS   60000

static const char *name_of(const struct rj_cli_session *s)
{
	return rj_cli_command_name(s->line->command);
}

struct printing {
	void (*print)(void *user);
	void *user;
	int error; /* errno of standard output */
};

static void print_out(void *arg)
{
	struct printing *printing = arg;

	printing->print(printing->user);
	if (fflush(stdout) || ferror(stdout))
		printing->error = errno;
	clearerr(stdout);
}

void rj_cli_session_print(struct rj_cli_session *s, void (*print)(void *user),
			  void *user)
{
	struct printing *printing =
		s->result_stuck ? NULL : calloc(1, sizeof(*printing));

	if (!printing)
		return;
	printing->print = print;
	printing->user = user;
	/* Both may be one terminal. */
	rj_cli_progress_drain(&s->progress);
	if (!rj_cli_patiently(print_out, printing, READER_MS)) {
		s->result_stuck = true;
		rj_cli_progress_note(&s->progress,
				     "ramjet %s: nobody reads standard output",
				     name_of(s));
		return;
	}
	if (printing->error)
		rj_cli_progress_note(&s->progress,
				     "ramjet %s: standard output: %s",
				     name_of(s), strerror(printing->error));
	free(printing);
}

struct report_errand {
	struct rj_cli_session *session;
	json_t *object;
	struct ramjet_error error;
	int rc;
};

static void write_report(void *arg)
{
	struct report_errand *errand = arg;

	errand->rc = rj_cli_report_write(&errand->session->json, errand->object,
					 &errand->error);
}

static void say_no_report(struct rj_cli_session *s, const char *why)
{
	const bool completed =
		s->info && s->info->state == RAMJET_STATE_COMPLETED;

	rj_cli_progress_note(&s->progress, "ramjet %s: %s%s", name_of(s), why,
			     completed && !s->exit_status
				     ? "; the guest has moved all the same"
				     : "");
}

static void report(struct rj_cli_session *s)
{
	struct rj_cli_report report = {
		.line = s->line,
		.uri = s->migration && s->role == RJ_CLI_TARGET
			       ? ramjet_listen_uri(s->migration)
			       : NULL,
		.info = s->info,
		.savings = s->savings,
		.error = &s->error,
		.exit_status = s->exit_status,
		.check = s->checked ? &s->check : NULL,
		.check_clean = s->check_clean,
		.target = s->target,
	};
	struct report_errand *errand;

	if (!s->json.path)
		return;
	errand = calloc(1, sizeof(*errand));
	if (!errand) {
		say_no_report(s, "--json: out of memory");
		return;
	}
	errand->session = s;
	errand->object = rj_cli_report_build(&report);
	if (!rj_cli_patiently(write_report, errand,
			      s->json.has_reader ? READER_MS : DISK_MS)) {
		s->report_stuck = true;
		say_no_report(s, "--json: nobody takes the report");
		return;
	}
	if (errand->rc < 0)
		say_no_report(s, errand->error.message);
	json_decref(errand->object);
	free(errand);
}

int rj_cli_session_finish(struct rj_cli_session *s)
{
	rj_cli_session_say_error(s);
	report(s);
	if (!s->result_stuck) {
		ramjet_info_free(s->info);
		ramjet_savings_free(s->savings);
		ramjet_migration_free(s->migration);
		ramjet_guest_free(s->handle);
		rj_cli_guest_free(s->guest);
		rj_cli_session_free_monitor(s);
	}
	rj_cli_progress_done(&s->progress);
	/* _exit(): exit() would wait for the same reader. */
	if (s->result_stuck || s->report_stuck)
		_exit(s->exit_status);
	json_decref(s->target);
	rj_cli_report_close(&s->json);
	return s->exit_status;
}

int rj_cli_session_usage(const struct rj_cli_command_line *line,
			 const struct ramjet_error *error)
{
	struct rj_cli_session s;

	/* A report speaks of a migration; `features` has none. */
	rj_cli_session_init(&s, line);
	if (line->command == RJ_CLI_FEATURES)
		s.json.path = NULL;
	s.error = *error;
	s.exit_status = RJ_CLI_EXIT_USAGE;
	return rj_cli_session_finish(&s);
}
