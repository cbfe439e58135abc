/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUARDIAN_WATCH_H
#define RJ_CLI_GUARDIAN_WATCH_H
/* The guardian itself, in its own process: guardian.h says what for. */
#include <stdbool.h>

/* main() begins with this: was this program started to be a guardian? Then
 * rj_guardian_main() is all it does. */
bool rj_guardian_is_meant(int argc, char **argv);
int rj_guardian_main(void);
#endif
