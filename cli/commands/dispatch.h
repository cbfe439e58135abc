/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_COMMANDS_DISPATCH_H
#define RJ_CLI_COMMANDS_DISPATCH_H
/* The list of the subcommands, and the way to one of them. */

/* Dispatch by argv[1]; `ramjet` without anything says what there is. */
int rj_cli_main(int argc, char **argv);
#endif
