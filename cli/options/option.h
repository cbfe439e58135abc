/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OPTIONS_OPTION_H
#define RJ_CLI_OPTIONS_OPTION_H
/* One table of all options of all subcommands, and what each does. */
#include "cli/options/line.h"

struct rj_cli_option;

/* What a setter works on. */
struct rj_cli_setting {
	struct rj_cli_command_line *line;
	const char *what; /* "--channels" */
	const char *value;
	const struct rj_cli_option *option;
};

struct rj_cli_option {
	const char *name;
	const char *argument; /* NULL: a plain flag; choices as "a|b" */
	unsigned commands;    /* enum rj_cli_command_bit */
	int (*set)(const struct rj_cli_setting *setting,
		   struct ramjet_error *err);
	const char *help; /* NULL: not shown */
};

#define RJ_CLI_OPTION_COUNT 43
extern const struct rj_cli_option *const rj_cli_options;
#endif
