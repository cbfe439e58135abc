/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_MONITOR_SETTINGS_H
#define RJ_CLI_MONITOR_SETTINGS_H
/*
 * What managers may set: QEMU's migration parameters and capabilities where
 * ramjet has the thing, and ramjet's own under x-ramjet-. One table each, for
 * checking, setting and showing; what a name can't do here is refused, never
 * taken and not done. Values only: no migration is touched.
 */
#include <jansson.h>

#include "cli/qmp/arguments.h"
#include "ramjet.h"
#include "util/compiler.h"

struct rj_cli_settings {
	struct ramjet_params params; /* for ramjet_migrate() and _incoming() */
	/* params.channels is multifd ? multifd_channels : 1. */
	bool multifd;
	uint32_t multifd_channels; /* 0: as many as ramjet finds best */
	bool events;               /* MIGRATION and MIGRATION_PASS are sent */
};

/* As the command line has it. */
void rj_cli_settings_init(struct rj_cli_settings *settings,
			  const struct ramjet_params *params);
/* `live`: a migration is under way, only what can follow may change. All of
 * `wanted` (an object) is set, or nothing. */
RJ_NODISCARD int rj_cli_settings_set(struct rj_cli_settings *settings,
				     json_t *wanted, bool live,
				     struct ramjet_error *err);
/* A parameter as it is to be written; false: there are no so many. */
struct rj_cli_setting_shape {
	const char *name;
	enum rj_qmp_type type;
	const char *choices; /* "a|b", or NULL */
};
bool rj_cli_settings_shape(size_t index, struct rj_cli_setting_shape *ret);
/* A parameter has that name. */
bool rj_cli_settings_has(const char *name);
/* *returned* */
json_t *rj_cli_settings_show(const struct rj_cli_settings *settings);

/* `wanted`: an array of {"capability": NAME, "state": BOOL}; all or nothing. */
RJ_NODISCARD int rj_cli_capabilities_set(struct rj_cli_settings *settings,
					 json_t *wanted,
					 struct ramjet_error *err);
/* Nothing of `wanted` would change anything: then it is lawful at any time. */
bool rj_cli_capabilities_same(const struct rj_cli_settings *settings,
			      json_t *wanted);
/* Of all that are offered; NULL: there are no so many. */
const char *rj_cli_capabilities_name(size_t index);
/* The same form, *returned*. */
json_t *rj_cli_capabilities_show(const struct rj_cli_settings *settings);
#endif
