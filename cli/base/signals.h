/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_BASE_SIGNALS_H
#define RJ_CLI_BASE_SIGNALS_H
/* SIGINT, SIGTERM and SIGHUP ask to cancel. More of them within a second of
 * the first are the same wish (a shell, timeout(1) and a process group may
 * each deliver one); a later one kills as usual. SIGUSR1 asks a held migration
 * to switch over. SIGPIPE and SIGXFSZ are error codes. */
#include <stdbool.h>

/* For every command, before anything else: undo what may have been inherited
 * (blocked signals, an ignored SIGCHLD), and make exceeding the file size limit
 * an error code. */
void rj_cli_signals_begin(void);
/* For commands that move a guest. SIGHUP stays ignored if it was (nohup). */
void rj_cli_signals_install(void);
/* The signal that asked to cancel, or 0. */
int rj_cli_signals_cancel(void);
/* Can be read from once that is so, until it is closed. -1 when there is none
 * to be had. Not for several threads. */
int rj_cli_signals_fd(void);
/* Close it: it is not waited for any more. By the thread that handles
 * signals. */
void rj_cli_signals_close_fd(void);
/* SIGUSR1 came since the last call. */
bool rj_cli_signals_take_switchover(void);
#endif
