/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS 80 /* where nobody says */

bool rj_cli_is_terminal(FILE *out)
{
	const char *term = getenv("TERM");

	return isatty(fileno(out)) && !(term && !strcmp(term, "dumb"));
}

unsigned rj_cli_columns(FILE *out)
{
	struct winsize size = { 0 };

	if (ioctl(fileno(out), TIOCGWINSZ, &size) || !size.ws_col)
		return COLUMNS;
	return size.ws_col;
}

const char *rj_cli_ink(FILE *out, enum rj_cli_ink ink)
{
	static const char *const inks[] = {
		[RJ_CLI_PLAIN] = "\033[0m",
		[RJ_CLI_BOLD] = "\033[1m",
		[RJ_CLI_GOOD] = "\033[1;32m",
		[RJ_CLI_BAD] = "\033[1;31m",
	};
	const char *no_color = getenv("NO_COLOR");

	if ((no_color && *no_color) || !rj_cli_is_terminal(out))
		return "";
	return inks[ink];
}

void rj_cli_print_harmless(FILE *out, const char *text)
{
	for (const unsigned char *c = (const void *)text; *c; c++) {
		if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0))
			(void)fprintf(out, "\\x%02x", *c);
		else
			(void)fputc(*c, out);
	}
}
