/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of the monitor; all run on the QMP server's thread. */
#include "cli/monitor/commands.h"

#include <errno.h>
#include <string.h>

#include "cli/base/json_text.h"
#include "cli/monitor/channels.h"
#include "cli/monitor/events.h"
#include "cli/monitor/human.h"
#include "cli/monitor/machine.h"
#include "cli/monitor/query.h"
#include "cli/monitor/schema.h"
#include "cli/monitor/state.h"
#include "cli/qmp/message.h"
#include "cli/report/savings.h"
#include "util/cleanup.h"
#include "util/error.h"

#define URI_BYTES 4352u /* the longest path, and its scheme */

typedef struct rj_qmp_call call_t;

static struct rj_cli_monitor *monitor_of(const call_t *call)
{
	return call->user;
}

static const char *text(const call_t *call, const char *name)
{
	return json_string_value(json_object_get(call->arguments, name));
}

static bool flag(const call_t *call, const char *name)
{
	return json_is_true(json_object_get(call->arguments, name));
}

/* ---- migrate ---- */

/* What was asked for, as `uri` or as `channels`. */
static int wanted_uri(const call_t *call, char *ret, struct ramjet_error *err)
{
	const char *uri = text(call, "uri");
	const json_t *channels = json_object_get(call->arguments, "channels");

	if (!uri == !channels)
		return rj_fail(err, -EINVAL,
			       "need either 'uri' or 'channels' argument");
	if (channels)
		return rj_cli_channels_uri(channels, ret, URI_BYTES, err);
	if (strlen(uri) >= URI_BYTES)
		return rj_fail(err, -ENAMETOOLONG,
			       "Parameter 'uri' has %zu bytes, at most %u are "
			       "possible",
			       strlen(uri), URI_BYTES - 1);
	(void)snprintf(ret, URI_BYTES, "%s", uri);
	return 0;
}

/* "fd:NAME", of a descriptor that getfd brought, becomes "fd:N"; *ret_fd is
 * then the caller's to close. This process's own numbers are no client's
 * business: they are its guest, its sockets, its report. */
static int resolve_uri(struct rj_cli_monitor *m, char *uri, int *ret_fd,
		       struct ramjet_error *err)
{
	if (strncmp(uri, "fd:", 3))
		return 0;
	*ret_fd = rj_cli_fds_take(&m->fds, uri + 3, err);
	if (*ret_fd < 0)
		return *ret_fd;
	(void)snprintf(uri, URI_BYTES, "fd:%d", *ret_fd);
	return 0;
}

static int begin(call_t *call, enum rj_cli_role role, const char *refusal,
		 struct ramjet_error *err)
{
	struct rj_cli_monitor *m = monitor_of(call);
	rj_autoclose int fd = -1;
	char uri[URI_BYTES];
	int rc;

	if (m->control.role != role)
		return rj_fail(err, -EINVAL, "%s", refusal);
	rc = wanted_uri(call, uri, err);
	if (!rc)
		rc = resolve_uri(m, uri, &fd, err);
	return rc ? rc : rj_cli_control_begin(&m->control, uri, err);
}

/* A guest that arrived here moves on: begin as a source. */
static int send_on(struct rj_cli_monitor *m, struct ramjet_error *err)
{
	struct rj_cli_guest *guest = m->guest.guest;
	int rc;

	if (!guest->kind->send_on)
		return rj_fail(err, -EOPNOTSUPP,
			       "The guest has arrived here, and a '%s:' guest "
			       "is not sent on",
			       guest->kind->name);
	rc = guest->kind->send_on(guest, m->handle, err);
	if (rc < 0)
		return rc;
	rj_cli_control_send_on(&m->control);
	return 0;
}

/* `detach` means nothing in QMP, where nothing blocks. */
static int migrate(call_t *call, struct ramjet_error *err)
{
	static const char *const refused[] = { "blk", "inc", "resume" };
	struct rj_cli_monitor *m = monitor_of(call);

	for (size_t i = 0; i < RJ_ARRAY_SIZE(refused); i++)
		if (flag(call, refused[i]))
			return rj_fail(err, -EOPNOTSUPP,
				       "Parameter '%s' is not offered by this "
				       "version of ramjet",
				       refused[i]);
	if (rj_cli_control_has_arrived(&m->control)) {
		int rc = send_on(m, err);

		if (rc)
			return rc;
	}
	/* QEMU's words. */
	return begin(call, RJ_CLI_SOURCE,
		     "Guest is waiting for an incoming migration", err);
}

static int migrate_incoming(call_t *call, struct ramjet_error *err)
{
	if (flag(call, "exit-on-error"))
		return rj_fail(err, -EOPNOTSUPP,
			       "Parameter 'exit-on-error' can only be false: "
			       "ramjet stays, ready for another "
			       "migrate-incoming");
	return begin(call, RJ_CLI_TARGET,
		     "This is the source of a migration, use migrate", err);
}

static int migrate_cancel(call_t *call, struct ramjet_error *err)
{
	return rj_cli_control_cancel(&monitor_of(call)->control, err);
}

static int migrate_continue(call_t *call, struct ramjet_error *err)
{
	if (strcmp(text(call, "state"), "pre-switchover"))
		return rj_fail(err, -EINVAL,
			       "Parameter 'state' does not accept value "
			       "'%.100s', wanted pre-switchover",
			       text(call, "state"));
	return rj_cli_control_switchover(&monitor_of(call)->control, false,
					 err);
}

static int switchover(call_t *call, struct ramjet_error *err)
{
	return rj_cli_control_switchover(&monitor_of(call)->control, true, err);
}

static int getfd(call_t *call, struct ramjet_error *err)
{
	return rj_cli_fds_add(&monitor_of(call)->fds, text(call, "fdname"),
			      call->fd, err);
}

static int closefd(call_t *call, struct ramjet_error *err)
{
	return rj_cli_fds_close(&monitor_of(call)->fds, text(call, "fdname"),
				err);
}

/* ---- what is ---- */

static int returns(call_t *call, json_t *result, struct ramjet_error *err)
{
	call->result = result;
	return result ? 0 : rj_fail(err, -ENOMEM, "out of memory");
}

static json_t *migration_object(void *user)
{
	struct rj_cli_monitor *m = user;
	struct ramjet_savings *savings = NULL;
	struct ramjet_info *info;
	char uri[URI_BYTES];
	json_t *object;
	int rc = rj_cli_control_info(&m->control, &info, uri, sizeof(uri));

	if (rc)
		return rc == -ENOENT ? json_object() : NULL;
	object = rj_cli_migration_object(info, *uri ? uri : NULL);
	(void)rj_cli_control_savings(&m->control, &savings);
	rj_cli_savings_add_to_query(object, savings);
	ramjet_savings_free(savings);
	ramjet_info_free(info);
	for (size_t i = 1;
	     rj_cli_control_listen(&m->control, i, uri, sizeof(uri)); i++)
		rj_cli_migration_add_address(object, uri);
	return object;
}

static int query_migrate(call_t *call, struct ramjet_error *err)
{
	return returns(call, migration_object(call->user), err);
}

static int query_report(call_t *call, struct ramjet_error *err)
{
	struct rj_cli_monitor *m = monitor_of(call);
	struct ramjet_savings *savings = NULL;
	struct ramjet_info *info = NULL;
	char uri[URI_BYTES];
	json_t *object;

	(void)rj_cli_control_info(&m->control, &info, uri, sizeof(uri));
	(void)rj_cli_control_savings(&m->control, &savings);
	object = m->report(m->user, info, savings, *uri ? uri : NULL);
	ramjet_savings_free(savings);
	ramjet_info_free(info);
	return returns(call, object, err);
}

static int query_status(call_t *call, struct ramjet_error *err)
{
	const char *status =
		rj_cli_control_run_state(&monitor_of(call)->control);

	return returns(call,
		       json_pack("{s:b, s:s}", "running",
				 !strcmp(status, "running"), "status", status),
		       err);
}

static int query_version(call_t *call, struct ramjet_error *err)
{
	return returns(call, rj_qmp_version(), err);
}

static int query_commands(call_t *call, struct ramjet_error *err)
{
	json_t *array = json_pack("[{s:s}]", "name", "qmp_capabilities");

	for (const struct rj_qmp_command *row = rj_cli_monitor_commands;
	     row->name; row++)
		(void)json_array_append_new(
			array, json_pack("{s:s}", "name", row->name));
	return returns(call, array, err);
}

static int query_schema(call_t *call, struct ramjet_error *err)
{
	return returns(
		call,
		rj_cli_schema(rj_cli_monitor_commands, rj_cli_monitor_events),
		err);
}

/* ---- settings ---- */

static int set_parameters(call_t *call, struct ramjet_error *err)
{
	return rj_cli_control_set(&monitor_of(call)->control, call->arguments,
				  err);
}

static int query_parameters(call_t *call, struct ramjet_error *err)
{
	const struct rj_cli_settings settings =
		rj_cli_control_settings(&monitor_of(call)->control);

	return returns(call, rj_cli_settings_show(&settings), err);
}

static int set_capabilities(call_t *call, struct ramjet_error *err)
{
	return rj_cli_control_enable(
		&monitor_of(call)->control,
		json_object_get(call->arguments, "capabilities"), err);
}

static int query_capabilities(call_t *call, struct ramjet_error *err)
{
	const struct rj_cli_settings settings =
		rj_cli_control_settings(&monitor_of(call)->control);

	return returns(call, rj_cli_capabilities_show(&settings), err);
}

static int set_one(void *user, const char *name, uint64_t value,
		   struct ramjet_error *err)
{
	struct rj_cli_monitor *m = user;
	json_t *wanted;
	int rc;

	if (value > INT64_MAX)
		return rj_fail(err, -ERANGE, "Parameter '%s' is too large",
			       name);
	wanted = json_pack("{s:I}", name, (json_int_t)value);
	rc = rj_cli_control_set(&m->control, wanted, err);
	json_decref(wanted);
	return rc;
}

static int execute(void *user, const char *name, json_t *arguments,
		   json_t **ret, struct ramjet_error *err)
{
	const struct rj_qmp_commands commands = {
		.rows = rj_cli_monitor_commands,
		.user = user,
	};

	return rj_qmp_execute(&commands, name, arguments, ret, err);
}

static int human(call_t *call, struct ramjet_error *err)
{
	const struct rj_cli_human_ops ops = { .migration = migration_object,
					      .set = set_one,
					      .execute = execute,
					      .user = call->user };
	rj_autofree char *said =
		rj_cli_human_run(text(call, "command-line"), &ops);

	return returns(call, said ? rj_json_text(said) : NULL, err);
}

/* ---- the guest, and the command ---- */

static int stop(call_t *call, struct ramjet_error *err)
{
	return rj_cli_control_stop(&monitor_of(call)->control, err);
}

static int cont(call_t *call, struct ramjet_error *err)
{
	return rj_cli_control_cont(&monitor_of(call)->control, false, err);
}

static int cont_unconfirmed(call_t *call, struct ramjet_error *err)
{
	return rj_cli_control_cont(&monitor_of(call)->control, true, err);
}

static int quit(call_t *call, struct ramjet_error *err)
{
	(void)err;
	rj_cli_control_quit(&monitor_of(call)->control);
	return 0;
}

/* clang-format off */
static const struct rj_qmp_argument migrate_arguments[] = {
	{ "uri", RJ_QMP_TEXT, true },
	{ "channels", RJ_QMP_ARRAY, true },
	{ "detach", RJ_QMP_BOOL, true },
	{ "resume", RJ_QMP_BOOL, true },
	{ "blk", RJ_QMP_BOOL, true },
	{ "inc", RJ_QMP_BOOL, true },
	{ 0 },
};
static const struct rj_qmp_argument incoming_arguments[] = {
	{ "uri", RJ_QMP_TEXT, true },
	{ "channels", RJ_QMP_ARRAY, true },
	{ "exit-on-error", RJ_QMP_BOOL, true },
	{ 0 },
};
static const struct rj_qmp_argument continue_arguments[] = {
	{ "state", RJ_QMP_TEXT, false },
	{ 0 },
};
static const struct rj_qmp_argument fd_arguments[] = {
	{ "fdname", RJ_QMP_TEXT, false },
	{ 0 },
};
static const struct rj_qmp_argument capabilities_arguments[] = {
	{ "capabilities", RJ_QMP_ARRAY, false },
	{ 0 },
};
static const struct rj_qmp_argument human_arguments[] = {
	{ "command-line", RJ_QMP_TEXT, false },
	{ "cpu-index", RJ_QMP_WHOLE, true },
	{ 0 },
};

const struct rj_qmp_command rj_cli_monitor_commands[] = {
	{ "query-version", query_version, NULL, false },
	{ "query-commands", query_commands, NULL, false },
	{ "query-status", query_status, NULL, false },
	{ "query-name", rj_cli_query_name, NULL, false },
	{ "query-uuid", rj_cli_query_uuid, NULL, false },
	{ "query-kvm", rj_cli_query_kvm, NULL, false },
	{ "query-target", rj_cli_query_target, NULL, false },
	{ "query-cpus-fast", rj_cli_query_cpus, NULL, false },
	{ "query-qmp-schema", query_schema, NULL, false },
	{ "stop", stop, NULL, false },
	{ "cont", cont, NULL, false },
	{ "migrate", migrate, migrate_arguments, false },
	{ "migrate-incoming", migrate_incoming, incoming_arguments, false },
	{ "migrate_cancel", migrate_cancel, NULL, false },
	{ "migrate-continue", migrate_continue, continue_arguments, false },
	{ "query-migrate", query_migrate, NULL, false },
	{ "migrate-set-parameters", set_parameters, NULL, true },
	{ "query-migrate-parameters", query_parameters, NULL, false },
	{ "migrate-set-capabilities", set_capabilities,
	  capabilities_arguments, false },
	{ "query-migrate-capabilities", query_capabilities, NULL, false },
	{ "getfd", getfd, fd_arguments, false },
	{ "closefd", closefd, fd_arguments, false },
	{ "human-monitor-command", human, human_arguments, false },
	{ "quit", quit, NULL, false },
	{ "x-ramjet-query-report", query_report, NULL, false },
	{ "x-ramjet-switchover", switchover, NULL, false },
	{ "x-ramjet-cont-unconfirmed", cont_unconfirmed, NULL, false },
	{ 0 },
};
/* clang-format on */
