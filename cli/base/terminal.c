/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/base/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/utf8.h"

#define COLUMNS 80 /* where it is not known */

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
	size_t left = strlen(text), width;

	for (; left; text += width, left -= width) {
		width = rj_utf8_printable_width(text, left);
		if (width) {
			(void)fwrite(text, 1, width, out);
			continue;
		}
		(void)fprintf(out, "\\x%02x", (unsigned char)*text);
		width = 1;
	}
}

void rj_cli_vsay(FILE *out, const char *format, va_list args)
{
	char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		return;
	rj_cli_print_harmless(out, text);
	(void)fputc('\n', out);
	free(text);
}

void rj_cli_say(FILE *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	rj_cli_vsay(out, format, args);
	va_end(args);
}
