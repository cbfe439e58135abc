/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_BASE_PATIENCE_H
#define RJ_CLI_BASE_PATIENCE_H
/* Work that may wait for somebody who doesn't read: on a thread of its own, so
 * that the main thread hears signals meanwhile, and gives up. */
#include <stdbool.h>

/* Returns once `work` has, or when it took longer than `patience_ms`, or when
 * a signal asks to cancel. False: it is still at it, `arg` and what it writes
 * to must be left alone, and the process is to end by _exit(). */
bool rj_cli_patiently(void (*work)(void *arg), void *arg, unsigned patience_ms);
#endif
