/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OPTIONS_URI_H
#define RJ_CLI_OPTIONS_URI_H
/* Where a guest goes to or comes from. `what` is the option's name, for
 * messages. */
#include "cli/options/line.h"
#include "util/compiler.h"

/* --to and --from, into line->uri (borrowed) or line->defer. */
RJ_NODISCARD int rj_cli_uri(const char *what, const char *text,
			    struct rj_cli_command_line *line,
			    struct ramjet_error *err);
/* "unix:PATH": longer ones name no socket anywhere. */
RJ_NODISCARD int rj_cli_check_unix(const char *what, const char *text,
				   struct ramjet_error *err);
#endif
