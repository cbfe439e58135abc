/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_BASE_SIGNALS_H
#define RJ_CLI_BASE_SIGNALS_H
/* SIGINT, SIGTERM and SIGHUP ask to cancel. More of them within a second of
 * the first are the same wish (a shell, timeout(1) and a process group may
 * each deliver one); a later one kills as usual. SIGUSR1 asks a held migration
 * to switch over. SIGPIPE and SIGXFSZ are error codes. */
#include <stdbool.h>

/* For every command, before anything else: what may have been inherited is as
 * a fresh process has it (nothing of the above blocked, SIGCHLD's default),
 * and a file size limit is an error code. */
void rj_cli_signals_begin(void);
/* For commands that move a guest. SIGHUP stays ignored if it was (nohup). */
void rj_cli_signals_install(void);
/* The signal that asked to cancel, or 0. */
int rj_cli_signals_cancel(void);
/* Can be read from once that is so, until it is closed. -1 when there is none
 * to be had. Not for several threads. */
int rj_cli_signals_fd(void);
/* Nobody waits for it any more. Of the thread that hears signals. */
void rj_cli_signals_close_fd(void);
/* SIGUSR1 came since the last call. */
bool rj_cli_signals_take_switchover(void);
#endif
