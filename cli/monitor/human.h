/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_MONITOR_HUMAN_H
#define RJ_CLI_MONITOR_HUMAN_H
/* QEMU's human monitor, as far as managers send it through QMP: words in,
 * text out. What goes wrong is text, too. */
#include <jansson.h>

#include "ramjet.h"
#include "util/compiler.h"

/* The monitor's sides that it needs. */
struct rj_cli_human_ops {
	/* MigrationInfo, *returned*; {} before the first migration. */
	json_t *(*migration)(void *user);
	/* One parameter by its QMP name. */
	int (*set)(void *user, const char *name, uint64_t value,
		   struct ramjet_error *err);
	/* Any command, as rj_qmp_execute(): `arguments` is *taken*. */
	int (*execute)(void *user, const char *name, json_t *arguments,
		       json_t **ret, struct ramjet_error *err);
	void *user;
};

/* The text, malloc()ed and *returned*; NULL when out of memory. */
char *rj_cli_human_run(const char *line, const struct rj_cli_human_ops *ops);
#endif
