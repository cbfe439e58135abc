/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_COMMANDS_HELPER_H
#define RJ_CLI_COMMANDS_HELPER_H
/* Subcommands about helpers; argv[0] is the subcommand's name. */

/* ramjet helper run: be a helper whose state is a file. */
int cmd_helper(int argc, char **argv);
/* ramjet helpers list|save|load: look at a bus, move states by hand. */
int cmd_helpers(int argc, char **argv);
#endif
