/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_BASE_TERMINAL_H
#define RJ_CLI_BASE_TERMINAL_H
/* Colour, only on a terminal and unless NO_COLOR is set. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "util/compiler.h"

enum rj_cli_ink {
	RJ_CLI_PLAIN = 0,
	RJ_CLI_BOLD,
	RJ_CLI_GOOD,
	RJ_CLI_BAD
};

bool rj_cli_is_terminal(FILE *out);
/* How wide it is now; 80 when that is not known. */
unsigned rj_cli_columns(FILE *out);
/* The escape sequence that begins `ink` on `out`, or "". RJ_CLI_PLAIN ends
 * any other. Static. */
const char *rj_cli_ink(FILE *out, enum rj_cli_ink ink);
/* Print text from others: controls, and bytes that are no UTF-8, become
 * \xNN. */
void rj_cli_print_harmless(FILE *out, const char *text);
/* The same for a text with values in it, and the line's end after it. */
RJ_PRINTF(2, 3)
void rj_cli_say(FILE *out, const char *format, ...);
RJ_PRINTF(2, 0)
void rj_cli_vsay(FILE *out, const char *format, va_list args);
#endif
