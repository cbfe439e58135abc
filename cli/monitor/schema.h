/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_MONITOR_SCHEMA_H
#define RJ_CLI_MONITOR_SCHEMA_H
/* What there is to call and to hear, in the words of query-qmp-schema. */
#include "cli/qmp/dispatch.h"

/* An event that is sent. */
struct rj_cli_event {
	const char *name;
	const struct rj_qmp_argument *data; /* NULL: none */
};

/* What query-qmp-schema returns of these, *returned*; a name of NULL ends
 * either. */
json_t *rj_cli_schema(const struct rj_qmp_command *commands,
		      const struct rj_cli_event *events);
#endif
