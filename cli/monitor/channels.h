/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_MONITOR_CHANNELS_H
#define RJ_CLI_MONITOR_CHANNELS_H
/* Where `migrate` and `migrate-incoming` shall go: QEMU's `channels`, the
 * list that newer managers give instead of a `uri`. */
#include <jansson.h>

#include "ramjet.h"
#include "util/compiler.h"

/* The URI that a list of one channel, of type main, means. -EINVAL or
 * -EOPNOTSUPP, naming the member, for what is wrong or not offered;
 * -ENAMETOOLONG if it doesn't fit. */
RJ_NODISCARD int rj_cli_channels_uri(const json_t *channels, char *ret_uri,
				     size_t bytes, struct ramjet_error *err);
#endif
