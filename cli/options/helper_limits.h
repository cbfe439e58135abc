/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OPTIONS_HELPER_LIMITS_H
#define RJ_CLI_OPTIONS_HELPER_LIMITS_H
/* What helpers may take: the same words of 'ramjet send', 'recv' and
 * 'helpers'. `what` is the option's name, for messages. */
#include "ramjet-helper.h"
#include "util/compiler.h"

/* Of one helper's state, and so of all. */
RJ_NODISCARD int rj_cli_helper_state_max(const char *what, const char *text,
					 struct ramjet_helper_options *options,
					 struct ramjet_error *err);
/* For all of them to answer, and so for each. */
RJ_NODISCARD int rj_cli_helper_timeout(const char *what, const char *text,
				       struct ramjet_helper_options *options,
				       struct ramjet_error *err);
#endif
