/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_MONITOR_STATE_H
#define RJ_CLI_MONITOR_STATE_H
/* What the parts of a monitor share: its commands' `user`. */
#include "cli/monitor/control.h"
#include "cli/monitor/fds.h"
#include "cli/qmp/server.h"

/* What `--json` would hold now, *returned*; of the migration that `info` and
 * `savings` tell of, NULL before the first. `uri`: where a target listens, or NULL. In the
 * server's thread. */
typedef json_t *rj_cli_report_fn(void *user, const struct ramjet_info *info,
				 const struct ramjet_savings *savings,
				 const char *uri);

struct rj_cli_monitor {
	/* immutable after _open */
	struct rj_cli_monitor_guest guest;
	struct rj_cli_control control;
	struct rj_qmp_server *server;
	struct ramjet_guest *handle; /* borrowed */
	int notifier;
	rj_cli_report_fn *report;
	void *user; /* of report and the control's begin */
	/* owned by the server's thread */
	struct rj_cli_fds fds;
	enum ramjet_state state; /* as far as clients have been told */
	uint64_t passes_said;
	uint64_t said_us; /* when the newest event happened, since 1970 */
};
#endif
