/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_BASE_PATIENCE_H
#define RJ_CLI_BASE_PATIENCE_H
/* Work that may block, such as writing to a pipe that isn't read: it runs on a
 * thread of its own, so that the main thread handles signals meanwhile, and can
 * give up. */
#include <stdbool.h>

/* Run work(arg), for at most `patience_ms` or until a signal asks to cancel.
 * False: it still runs, so `arg` and what it writes to must not be touched, and
 * the process must end by _exit(). */
bool rj_cli_patiently(void (*work)(void *arg), void *arg, unsigned patience_ms);
#endif
