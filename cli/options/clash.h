/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OPTIONS_CLASH_H
#define RJ_CLI_OPTIONS_CLASH_H
/* One file given for two purposes: a guest's image that is also the stream it
 * is written to, or the report. It would be destroyed, so that is refused,
 * however it is named (hard or symbolic link, descriptor). */
#include "cli/guest/guest.h"
#include "cli/options/line.h"

/* `uri`: where the guest goes to or comes from; NULL: not yet known. -EINVAL
 * and both names when one of them would be written over the other. */
RJ_NODISCARD int rj_cli_clash_check(const struct rj_cli_command_line *line,
				    enum rj_cli_role role, const char *uri,
				    struct ramjet_error *err);
/* Of words that could not be understood: one of them is file: and names what
 * `path` names. NULL names nothing. */
bool rj_cli_clash_among(int argc, char **argv, const char *path);
#endif
