/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_COMMANDS_DEMO_TARGET_H
#define RJ_CLI_COMMANDS_DEMO_TARGET_H
/* The demo's other process: this program again, as `ramjet recv`. */
#include <jansson.h>

#include "cli/base/child.h"
#include "cli/options/line.h"

struct rj_cli_demo_target {
	struct rj_cli_child child;
	int ready_fd;    /* it writes its URI here */
	int report_fd;   /* its --json */
	char path[4200]; /* file guests: the file it fills; else "" */
	char uri[300];
};
#define RJ_CLI_DEMO_TARGET_NONE                                             \
	{                                                                   \
		.child = RJ_CLI_CHILD_NONE, .ready_fd = -1, .report_fd = -1 \
	}

/* Starts it, with `line`'s guest and options; listening on line->uri. Its
 * guest's helpers are on the bus `helpers`, NULL: none. `guest`: its guest, NULL:
 * as line's. On failure nothing is left to stop. */
RJ_NODISCARD int rj_cli_demo_target_start(
	const struct rj_cli_command_line *line, const char *guest,
	const char *helpers, struct rj_cli_demo_target *ret,
	struct ramjet_error *err);
/* Waits until it listens; then `uri` is set. */
RJ_NODISCARD int rj_cli_demo_target_ready(struct rj_cli_demo_target *target,
					  struct ramjet_error *err);
/* Waits for its end, not for ever; a straggler is ended. *ret_report is
 * *returned*, NULL when it wrote none. -EIO unless it exited with 0; then the
 * message has its last words. */
int rj_cli_demo_target_finish(struct rj_cli_demo_target *target,
			      json_t **ret_report, struct ramjet_error *err);
/* Ends it if it still runs, and frees all. */
void rj_cli_demo_target_done(struct rj_cli_demo_target *target);
#endif
