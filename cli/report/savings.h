/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_REPORT_SAVINGS_H
#define RJ_CLI_REPORT_SAVINGS_H
/* By what means fewer bytes were sent, and how many fewer. Everywhere here,
 * `savings` may be NULL: nothing has begun. */
#include <jansson.h>
#include <stdio.h>

#include "ramjet.h"

#define RJ_CLI_SAVED_BYTES 200

/* "compression", "deltas" and "hot_pages" of a report, and what belongs to its
 * "ram". */
void rj_cli_savings_add(json_t *report, const struct ramjet_savings *savings);
/* The same to the reply to query-migrate, under names of its own. */
void rj_cli_savings_add_to_query(json_t *reply,
				 const struct ramjet_savings *savings);
/* "312 MiB of 1 GiB (zstd 3: 2.4x, 0.8 s of CPU time; 1,200 deltas)" for
 * people; "": nothing was saved. */
const char *rj_cli_savings_text(const struct ramjet_savings *savings,
				char text[RJ_CLI_SAVED_BYTES]);
#endif
