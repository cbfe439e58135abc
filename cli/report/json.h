/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_REPORT_JSON_H
#define RJ_CLI_REPORT_JSON_H
/* What `--json FILE` holds: one object, the same fields in every outcome. */
#include <jansson.h>

#include "cli/base/exit_status.h"
#include "cli/guest/guest.h"
#include "cli/options/line.h"

struct rj_cli_report {
	const struct rj_cli_command_line *line;
	const char *uri; /* NULL: line->uri, or the info's */
	/* NULL when nothing has begun: then all figures are zero. */
	const struct ramjet_info *info;
	const struct ramjet_savings *savings; /* as `info`, or NULL */
	const struct ramjet_error *error;     /* code 0: none */
	enum rj_cli_exit exit_status;
	/* A manager asks, nothing has been exited: the status is what the end
	 * of this migration, if it has ended, means. */
	bool asked;
	/* Live guests once they were checked; else NULL. */
	const struct rj_cli_guest_check *check;
	bool check_clean;
	json_t *target; /* borrowed: the other side's report (demo), or NULL */
};

/* What a migration that ended so makes of the command. */
enum rj_cli_exit rj_cli_exit_of(enum ramjet_state state);

/* The object, *returned*; NULL when out of memory. */
json_t *rj_cli_report_build(const struct rj_cli_report *report);
#endif
