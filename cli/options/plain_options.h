/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OPTIONS_PLAIN_OPTIONS_H
#define RJ_CLI_OPTIONS_PLAIN_OPTIONS_H
/* Options of subcommands that share none with the others. */
#include <getopt.h>

#include "ramjet.h"
#include "util/compiler.h"

/* One option, by its `val`; `text` is its argument. Negative ends the loop. */
typedef int rj_cli_plain_option_fn(int option, const char *text, void *user,
				   struct ramjet_error *err);

/* Every option of argv, in order; afterwards argv[optind] is the first word
 * that is none. `-h` is always one. */
RJ_NODISCARD int rj_cli_plain_options(int argc, char **argv,
				      const struct option *options,
				      rj_cli_plain_option_fn *take, void *user,
				      struct ramjet_error *err);
#endif
