/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_REMOTE_MONITOR_TEXT_H
#define RJ_CLI_REMOTE_MONITOR_TEXT_H
/* A migration as its monitor tells it, for people. */
#include <jansson.h>
#include <stdio.h>

/* `migration` is query-migrate's, `report` x-ramjet-query-report's. */
void rj_cli_monitor_text(const json_t *migration, const json_t *report,
			 FILE *out);
#endif
