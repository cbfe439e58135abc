/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_COMMANDS_COMMAND_H
#define RJ_CLI_COMMANDS_COMMAND_H
/* The subcommands. argv[0] is the subcommand's name; each returns the exit
 * status of the program. */

int rj_cli_demo(int argc, char **argv);
int rj_cli_send(int argc, char **argv);
int rj_cli_recv(int argc, char **argv);
int rj_cli_features(int argc, char **argv);
int rj_cli_info(int argc, char **argv);
int rj_cli_watch(int argc, char **argv);
int rj_cli_set(int argc, char **argv);
int rj_cli_cancel(int argc, char **argv);
int rj_cli_switchover(int argc, char **argv);
/* ramjet helper run: be a helper whose state is a file. */
int rj_cli_helper(int argc, char **argv);
/* ramjet helpers list|save|load: look at a bus, move states by hand. */
int rj_cli_helpers(int argc, char **argv);
#endif
