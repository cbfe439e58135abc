/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OPTIONS_COMMAND_LINE_H
#define RJ_CLI_OPTIONS_COMMAND_LINE_H
/* The options of every subcommand: one table serves parsing and help. */
#include <stdio.h>

#include "cli/options/line.h"

/*
 * Parse argv[1..argc) of subcommand `command`; argv may be permuted. -EINVAL
 * with a message that names the option and what was wanted. What is there to
 * report with (`json`) is set as far as it was seen, also on failure.
 */
RJ_NODISCARD int rj_cli_command_line_parse(unsigned command, int argc,
					   char **argv,
					   struct rj_cli_command_line *ret,
					   struct ramjet_error *err);
/* One screen. */
void rj_cli_command_line_help(unsigned command, FILE *out);
/* "send" etc. Static. */
const char *rj_cli_command_name(unsigned command);
#endif
