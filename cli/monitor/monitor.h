/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_MONITOR_MONITOR_H
#define RJ_CLI_MONITOR_MONITOR_H
/*
 * The monitor of a session: QMP on a unix socket, with QEMU's names for what
 * QEMU has. Commands and events run on the QMP server's thread; a migration's
 * own threads do nothing for it but leave a note.
 */
#include "cli/monitor/state.h"

struct rj_cli_monitor_setup {
	enum rj_cli_role role;
	const struct ramjet_params *params;
	rj_cli_begin_fn *begin;
	rj_cli_report_fn *report;
	void *user;
};

/* Before ramjet_guest_new(): monitor->guest.ops are what it shall call. */
void rj_cli_monitor_init(struct rj_cli_monitor *monitor,
			 const struct rj_cli_monitor_setup *setup,
			 struct rj_cli_guest *guest);
/* Listen on `path`, and follow `handle`'s migrations. */
RJ_NODISCARD int rj_cli_monitor_open(struct rj_cli_monitor *monitor,
				     const char *path,
				     struct ramjet_guest *handle,
				     struct ramjet_error *err);
/* Clients hear what there is to say, then they are disconnected. Legal
 * without _open. */
void rj_cli_monitor_close(struct rj_cli_monitor *monitor);
/* After _close; frees what main has not taken. */
void rj_cli_monitor_done(struct rj_cli_monitor *monitor);
#endif
