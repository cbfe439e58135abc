/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_MONITOR_EVENTS_H
#define RJ_CLI_MONITOR_EVENTS_H
/* What a monitor tells its clients unasked: how the migration goes, and
 * whether the guest runs. `user` is the struct rj_cli_monitor everywhere. */
#include "cli/monitor/schema.h"
#include "cli/monitor/state.h"

/* The events that are sent; a name of NULL ends them. */
extern const struct rj_cli_event rj_cli_monitor_events[];

/* On the migration's threads: leave a note. */
void rj_cli_monitor_note_run(void *user, bool runs);
void rj_cli_monitor_note_state(void *user, enum ramjet_state old_state,
			       enum ramjet_state new_state,
			       const struct ramjet_error *err,
			       struct ramjet_migration *migration);

/* On the server's thread: tell of it. */
void rj_cli_monitor_take_note(void *user, const struct rj_qmp_note *note);
/* As rj_qmp_server_setup's tick. */
int rj_cli_monitor_tick(void *user);
#endif
