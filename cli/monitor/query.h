/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_MONITOR_QUERY_H
#define RJ_CLI_MONITOR_QUERY_H
/* A migration in QMP's words. */
#include <jansson.h>

#include "ramjet.h"

/* QEMU's MigrationStatus nearest to `state`. Static. */
const char *rj_cli_migration_status(enum ramjet_state state);
/* MigrationInfo, with what ramjet adds. `listen_uri`: where a target listens,
 * or NULL. *returned*, NULL when out of memory. */
json_t *rj_cli_migration_object(const struct ramjet_info *info,
				const char *listen_uri);
/* Where it listens as well. */
void rj_cli_migration_add_address(json_t *object, const char *listen_uri);

#endif
