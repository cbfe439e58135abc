/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/monitor/events.h"

#include <string.h>

#include "cli/monitor/query.h"
#include "cli/qmp/message.h"
#include "util/clock.h"

/* How soon a new pass is told. */
#define TICK_MS 50
/* Passes too short to be seen one by one: the newest of them will do. */
#define PASSES_AT_ONCE 8u

enum note_kind {
	NOTE_STATE = 0, /* value: enum ramjet_state */
	NOTE_RUN,       /* value: 1 runs, 0 stands still */
};

/* ---- on the migration's threads ---- */

void rj_cli_monitor_note_run(void *user, bool runs)
{
	struct rj_cli_monitor *m = user;

	if (m->server)
		rj_qmp_server_note(m->server, NOTE_RUN, runs);
}

void rj_cli_monitor_note_state(void *user, enum ramjet_state old_state,
			       enum ramjet_state new_state,
			       const struct ramjet_error *err,
			       struct ramjet_migration *migration)
{
	struct rj_cli_monitor *m = user;

	(void)old_state;
	(void)migration;
	(void)err;
	rj_qmp_server_note(m->server, NOTE_STATE, (int)new_state);
}

/* ---- on the server's thread ---- */

static bool wants_events(struct rj_cli_monitor *m)
{
	return rj_cli_control_settings(&m->control).events;
}

/* A note may be older than the latest event that was sent; but events' times
 * must not go backwards. */
static void say(struct rj_cli_monitor *m, const char *name, json_t *data,
		uint64_t at_us)
{
	if (at_us < m->said_us)
		at_us = m->said_us;
	m->said_us = at_us;
	rj_qmp_server_say(m->server, rj_qmp_event(name, data, at_us));
}

/* How many passes have begun. */
static uint64_t passes_begun(struct rj_cli_monitor *m)
{
	struct ramjet_info *info;
	char uri[1];
	uint64_t count;

	if (rj_cli_control_info(&m->control, &info, uri, sizeof(uri)))
		return 0;
	count = info->rounds_total;
	if (info->state == RAMJET_STATE_ACTIVE ||
	    info->state == RAMJET_STATE_HELD)
		count++;
	ramjet_info_free(info);
	return count;
}

/* The library tells of states only, so passes are looked at now and then. */
static void say_passes(struct rj_cli_monitor *m, uint64_t at_us)
{
	uint64_t begun = passes_begun(m);

	if (begun > m->passes_said + PASSES_AT_ONCE)
		m->passes_said = begun - 1;
	while (m->passes_said < begun) {
		m->passes_said++;
		say(m, "MIGRATION_PASS",
		    json_pack("{s:I}", "pass", (json_int_t)m->passes_said),
		    at_us);
	}
}

/* clang-format off */
static const struct rj_qmp_argument migration_data[] = {
	{ "status", RJ_QMP_TEXT, false },
	{ 0 },
};
static const struct rj_qmp_argument pass_data[] = {
	{ "pass", RJ_QMP_WHOLE, false },
	{ 0 },
};
/* clang-format on */
const struct rj_cli_event rj_cli_monitor_events[] = {
	{ "MIGRATION", migration_data },
	{ "MIGRATION_PASS", pass_data },
	{ "STOP", NULL },
	{ "RESUME", NULL },
	{ 0 },
};

static bool has_passes(const struct rj_cli_monitor *m)
{
	return m->control.role == RJ_CLI_SOURCE &&
	       (m->state == RAMJET_STATE_ACTIVE ||
		m->state == RAMJET_STATE_HELD ||
		m->state == RAMJET_STATE_SWITCHOVER);
}

static void take_state(struct rj_cli_monitor *m, enum ramjet_state state,
		       uint64_t at_us)
{
	const char *before = rj_cli_migration_status(m->state);
	const char *status = rj_cli_migration_status(state);
	bool tell = wants_events(m);

	if (state == RAMJET_STATE_SETUP)
		m->passes_said = 0;
	/* Passes that began before this state are told before it. */
	if (tell && has_passes(m))
		say_passes(m, at_us);
	m->state = state;
	if (tell && strcmp(before, status))
		say(m, "MIGRATION", json_pack("{s:s}", "status", status),
		    at_us);
}

void rj_cli_monitor_take_note(void *user, const struct rj_qmp_note *note)
{
	struct rj_cli_monitor *m = user;

	if (note->kind == NOTE_STATE)
		take_state(m, (enum ramjet_state)note->value, note->at_us);
	else
		say(m, note->value ? "RESUME" : "STOP", NULL, note->at_us);
}

int rj_cli_monitor_tick(void *user)
{
	struct rj_cli_monitor *m = user;

	if (!has_passes(m) || !rj_qmp_server_clients(m->server) ||
	    !wants_events(m))
		return -1;
	say_passes(m, rj_clock_ns(CLOCK_REALTIME) / 1000);
	return TICK_MS;
}
