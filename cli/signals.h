/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_SIGNALS_H
#define RJ_CLI_SIGNALS_H
/* SIGINT and SIGTERM ask to cancel, once; a second one kills as usual.
 * SIGUSR1 asks a held migration to switch over. SIGPIPE is an error code. */
#include <stdbool.h>

void rj_cli_signals_install(void);
/* The signal that asked to cancel, or 0. */
int rj_cli_signals_cancel(void);
/* SIGUSR1 came since the last call. */
bool rj_cli_signals_take_switchover(void);
#endif
