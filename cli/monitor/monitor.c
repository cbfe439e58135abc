/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/monitor/monitor.h"

#include "cli/monitor/commands.h"
#include "cli/monitor/events.h"

void rj_cli_monitor_init(struct rj_cli_monitor *m,
			 const struct rj_cli_monitor_setup *setup,
			 struct rj_cli_guest *guest)
{
	*m = (struct rj_cli_monitor){ .report = setup->report,
				      .user = setup->user };
	rj_cli_monitor_guest_init(&m->guest, guest, setup->role,
				  rj_cli_monitor_note_run, m);
	rj_cli_control_init(&m->control, setup->role, &m->guest, setup->params,
			    setup->begin, setup->user);
}

int rj_cli_monitor_open(struct rj_cli_monitor *m, const char *path,
			struct ramjet_guest *handle, struct ramjet_error *err)
{
	const struct rj_qmp_server_setup setup = {
		.path = path,
		.commands = { .rows = rj_cli_monitor_commands, .user = m },
		.note = rj_cli_monitor_take_note,
		.tick = rj_cli_monitor_tick,
		.user = m,
	};

	/* First, so that nothing a client begins goes unnoticed. */
	m->handle = handle;
	m->notifier = ramjet_notify(handle, rj_cli_monitor_note_state, m, err);
	if (m->notifier < 0)
		return m->notifier;
	return rj_qmp_server_start(&setup, &m->server, err);
}

void rj_cli_monitor_close(struct rj_cli_monitor *m)
{
	if (m->notifier > 0)
		(void)ramjet_unnotify(m->handle, m->notifier);
	m->notifier = 0;
	rj_qmp_server_stop(m->server);
	m->server = NULL;
	rj_cli_fds_done(&m->fds);
}

void rj_cli_monitor_done(struct rj_cli_monitor *m)
{
	rj_cli_control_done(&m->control);
	rj_cli_monitor_guest_done(&m->guest);
}
