/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_REMOTE_MONITOR_FOLLOW_H
#define RJ_CLI_REMOTE_MONITOR_FOLLOW_H
/* A migration in another process, followed through its monitor. */
#include "cli/qmp/caller.h"

struct rj_cli_followed {
	struct ramjet_info info; /* what query-migrate tells; see _query */
	struct ramjet_error error;
	struct ramjet_round_info rounds[RAMJET_ROUNDS_MAX];
};

/* Fill followed->info from the monitor: state, error, times, RAM, rates,
 * prediction, rounds. State none: no migration yet. */
RJ_NODISCARD int rj_cli_follow_query(struct rj_qmp_caller *caller,
				     struct rj_cli_followed *followed,
				     struct ramjet_error *err);
/* Until the next event or timeout_ms: 0 either way. */
RJ_NODISCARD int rj_cli_follow_wait(struct rj_qmp_caller *caller,
				    int timeout_ms, struct ramjet_error *err);
#endif
