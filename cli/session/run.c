/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/session/run.h"

#include <errno.h>

#include "cli/session/monitor_session.h"
#include "util/error.h"

static int set_helpers(struct rj_cli_session *s, struct ramjet_error *err)
{
	struct ramjet_helper_options options = s->line->helper_limits;

	if (!s->line->helpers)
		return 0;
	options.bus_address = s->line->helpers;
	options.id_list = s->line->id_list;
	options.helper_uid = s->line->helper_uid;
	options.rehearse = s->role == RJ_CLI_SOURCE;
	return ramjet_guest_set_helpers(s->handle, &options, err);
}

static int new_handle(struct rj_cli_session *s, struct ramjet_error *err)
{
	if (s->line->monitor)
		return rj_cli_session_new_monitored(s, err);
	return ramjet_guest_new(s->guest->kind->ops, s->guest, &s->handle, err);
}

static void say_notice(struct rj_cli_session *s)
{
	const struct rj_cli_guest_kind *kind = s->guest->kind;
	const char *text = kind->notice ? kind->notice(s->guest) : "";

	if (*text)
		rj_cli_progress_note(&s->progress, "ramjet: %s", text);
}

int rj_cli_session_open(struct rj_cli_session *s,
			rj_cli_guest_new_fn *new_guest)
{
	struct ramjet_error error = { 0 };
	int rc;

	if (s->exit_status)
		return s->error.code;
	rc = new_guest(&s->line->guest, s->role, &s->guest, &error);
	if (rc >= 0 && s->line->quit_source && !s->guest->kind->outcome)
		rc = rj_fail(&error, -EINVAL,
			     "--quit-source: a %s guest ends with this command "
			     "anyhow, wanted qemu:SOCKET",
			     s->guest->kind->name);
	if (rc >= 0)
		rc = new_handle(s, &error);
	if (rc >= 0)
		rc = s->guest->kind->attach(s->guest, s->handle, &error);
	if (rc >= 0)
		rc = set_helpers(s, &error);
	if (rc >= 0 && s->monitor && s->role == RJ_CLI_SOURCE &&
	    ramjet_guest_is_paused(s->handle))
		rj_cli_session_found_paused(s);
	if (rc >= 0)
		say_notice(s);
	return rj_cli_session_keep(s, rc, &error);
}

static int begin(struct rj_cli_session *s, const char *uri)
{
	const struct rj_cli_guest_kind *kind = s->guest->kind;
	struct ramjet_error error = { 0 };
	int rc = 0;

	if (s->role == RJ_CLI_SOURCE && kind->live)
		rc = kind->run(s->guest, &error);
	if (rc >= 0)
		rc = rj_cli_session_start(s, s->role, uri, &s->line->params,
					  &s->migration, &error);
	return rj_cli_session_keep(s, rc, &error);
}

void rj_cli_session_run(struct rj_cli_session *s, const char *uri,
			int (*begun)(struct rj_cli_session *session))
{
	if (s->monitor) {
		rj_cli_session_serve(s, uri, begun);
		return;
	}
	if (begin(s, uri) >= 0 && (!begun || begun(s) >= 0))
		(void)rj_cli_session_wait(s);
	(void)rj_cli_session_aftermath(s);
}
