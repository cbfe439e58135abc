/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_TERMINAL_H
#define RJ_CLI_TERMINAL_H
/* Colour, only where a person looks and hasn't said no (NO_COLOR). */
#include <stdbool.h>
#include <stdio.h>

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
/* What others say, in UTF-8; a terminal gets no controls from it. */
void rj_cli_print_harmless(FILE *out, const char *text);
#endif
