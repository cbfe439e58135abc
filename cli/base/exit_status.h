/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_BASE_EXIT_STATUS_H
#define RJ_CLI_BASE_EXIT_STATUS_H
/* What the program's exit status says. */

enum rj_cli_exit {
	RJ_CLI_EXIT_COMPLETED = 0,
	RJ_CLI_EXIT_FAILED = 1,
	RJ_CLI_EXIT_USAGE = 2,
	RJ_CLI_EXIT_UNCONFIRMED = 3,
};
#endif
