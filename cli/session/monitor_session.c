/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/session/monitor_session.h"

#include <errno.h>

#include "cli/base/signals.h"
#include "cli/monitor/monitor.h"
#include "cli/options/command_line.h"
#include "util/error.h"

#define TICK_MS 100

/* The course of one session. */
struct course {
	struct rj_cli_session *session;
	struct rj_cli_control *control;
	int (*begun)(struct rj_cli_session *session);
	unsigned migrations;
	bool ordered; /* the first one is the command line's */
	bool over;    /* `begun` failed */
};

static int begin(void *user, const char *uri,
		 const struct ramjet_params *params,
		 struct ramjet_migration **ret, struct ramjet_error *err)
{
	struct rj_cli_session *s = user;

	return rj_cli_session_start(s,
				    rj_cli_control_role(&s->monitor->control),
				    uri, params, ret, err);
}

/* Nothing of the session but what never changes: main works on the rest. */
static json_t *report(void *user, const struct ramjet_info *info,
		      const struct ramjet_savings *savings, const char *uri)
{
	const struct rj_cli_session *s = user;
	const struct rj_cli_report report = { .line = s->line,
					      .uri = uri,
					      .info = info,
					      .savings = savings,
					      .asked = true,
					      .error = info ? info->error
							    : NULL };

	return rj_cli_report_build(&report);
}

int rj_cli_session_new_monitored(struct rj_cli_session *s,
				 struct ramjet_error *err)
{
	const struct rj_cli_monitor_setup setup = {
		.role = s->role,
		.params = &s->line->params,
		.begin = begin,
		.report = report,
		.user = s,
	};
	int rc;

	s->monitor = calloc(1, sizeof(*s->monitor));
	if (!s->monitor)
		return rj_fail(err, -ENOMEM, "monitor: out of memory");
	rj_cli_monitor_init(s->monitor, &setup, s->guest);
	rc = ramjet_guest_new(&s->monitor->guest.ops, &s->monitor->guest,
			      &s->handle, err);
	s->monitor->guest.handle = s->handle;
	return rc;
}

void rj_cli_session_found_paused(struct rj_cli_session *s)
{
	rj_cli_monitor_guest_found_paused(&s->monitor->guest);
}

void rj_cli_session_free_monitor(struct rj_cli_session *s)
{
	if (s->monitor)
		rj_cli_monitor_done(s->monitor);
	free(s->monitor);
	s->monitor = NULL;
}

/* ---- one migration ---- */

static void forget(struct rj_cli_session *s)
{
	ramjet_info_free(s->info);
	s->info = NULL;
	ramjet_savings_free(s->savings);
	s->savings = NULL;
	ramjet_migration_free(s->migration);
	s->migration = NULL;
	rj_error_clear(&s->error);
	s->exit_status = RJ_CLI_EXIT_COMPLETED;
	s->error_said = false;
	rj_cli_progress_restart(&s->progress);
}

static bool is_completed(const struct rj_cli_session *s)
{
	return s->info && s->info->state == RAMJET_STATE_COMPLETED;
}

static bool shall_leave(const struct course *c)
{
	const struct rj_cli_session *s = c->session;

	if (rj_cli_signals_cancel() || c->over)
		return true;
	if (!c->migrations)
		return false;
	if (s->line->command == RJ_CLI_DEMO)
		return true; /* its target has gone, too */
	if (!is_completed(s))
		return false;
	return (c->ordered && c->migrations == 1) ||
	       !rj_qmp_server_clients(s->monitor->server);
}

static void say_end(struct course *c)
{
	struct rj_cli_session *s = c->session;
	const char *name = rj_cli_command_name(s->line->command);

	rj_cli_session_say_error(s);
	if (rj_cli_control_is_leaving(c->control) || shall_leave(c))
		return;
	rj_cli_progress_note(&s->progress,
			     is_completed(s)
				     ? "ramjet %s: completed; ends with 'quit' "
				       "or the last client"
				     : "ramjet %s: stays, ready for what the "
				       "monitor says",
			     name);
}

static void follow(struct course *c, struct ramjet_migration *migration)
{
	struct rj_cli_session *s = c->session;

	forget(s);
	s->migration = migration;
	s->role = rj_cli_control_role(c->control);
	c->migrations++;
	if (c->begun && c->begun(s) < 0)
		c->over = true;
	if (c->over)
		(void)ramjet_cancel(migration);
	(void)rj_cli_session_wait(s);
	say_end(c);
}

/* ---- from the first to the last ---- */

static void serve(struct course *c)
{
	struct ramjet_migration *next;

	for (;;) {
		next = rj_cli_control_take(c->control, c->session->migration,
					   TICK_MS);
		if (next)
			follow(c, next);
		else if (rj_cli_control_is_leaving(c->control))
			return;
		else if (shall_leave(c))
			rj_cli_control_quit(c->control);
	}
}

static void say_where(struct rj_cli_session *s)
{
	if (s->line->progress != RJ_CLI_PROGRESS_NONE)
		rj_cli_progress_note(&s->progress,
				     "ramjet %s: monitor on unix:%s",
				     rj_cli_command_name(s->line->command),
				     s->line->monitor);
}

static int start(struct course *c, const char *uri, struct ramjet_error *err)
{
	struct rj_cli_session *s = c->session;
	int rc = 0;

	if (s->role == RJ_CLI_SOURCE && s->guest->kind->live)
		rc = s->guest->kind->run(s->guest, err);
	if (rc >= 0)
		rc = rj_cli_monitor_open(s->monitor, s->line->monitor,
					 s->handle, err);
	if (rc >= 0)
		say_where(s);
	if (rc >= 0 && uri)
		rc = rj_cli_control_begin(c->control, uri, err);
	return rc;
}

/* A guest that a manager left paused runs before its self-check as well. */
static int unpause(struct rj_cli_session *s, struct ramjet_error *err)
{
	if (s->role == RJ_CLI_SOURCE || !is_completed(s))
		return 0;
	rj_cli_monitor_guest_arrived(&s->monitor->guest);
	return rj_cli_monitor_guest_resume(&s->monitor->guest, err);
}

void rj_cli_session_serve(struct rj_cli_session *s, const char *uri,
			  int (*begun)(struct rj_cli_session *session))
{
	struct course c = { .session = s,
			    .control = &s->monitor->control,
			    .begun = begun,
			    .ordered = uri != NULL };
	struct ramjet_error error = { 0 };
	int rc = start(&c, uri, &error);

	if (rc >= 0) {
		serve(&c);
		rc = unpause(s, &error);
	}
	if (rc >= 0 && !c.migrations)
		rc = rj_fail(&error, -ECANCELED,
			     "ended before anything was moved");
	(void)rj_cli_session_keep(s, rc, &error);
	rj_cli_monitor_close(s->monitor);
	(void)rj_cli_session_aftermath(s);
}
