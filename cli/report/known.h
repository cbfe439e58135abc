/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_REPORT_KNOWN_H
#define RJ_CLI_REPORT_KNOWN_H
/* Which figures of a migration are known, by name: a 0 that was measured is
 * told from one that says nothing in reports, replies and on the terminal. */
#include <jansson.h>

#include "ramjet.h"

/* All of `mask` (enum ramjet_known), which has no other. */
static inline bool rj_cli_knows(const struct ramjet_info *info, uint64_t mask)
{
	return (info->known & mask) == mask;
}

/* The names of what `info` knows, an array, *returned*. */
json_t *rj_cli_known_show(const struct ramjet_info *info);
/* The other way; names that are none here say nothing. */
uint64_t rj_cli_known_read(const json_t *array);
#endif
