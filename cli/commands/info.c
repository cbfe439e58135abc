/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands/command.h"
#include "cli/remote/monitor_text.h"
#include "cli/remote/monitor_verb.h"
#include "cli/report/file.h"
#include "util/error.h"

static const struct rj_cli_verb verb = {
	.name = "info",
	.usage = "[--json] MONITOR",
	.about = "How the migration of a running 'ramjet send', 'recv' or "
		 "'demo' stands, or how\nits last one ended. --json: the whole "
		 "report.",
	.takes_json = true,
};

static int print_json(const json_t *report, struct ramjet_error *err)
{
	struct rj_cli_report_file out = RJ_CLI_REPORT_FILE_NONE;
	int rc = rj_cli_report_open("-", &out, err);

	return rc < 0 ? rc : rj_cli_report_write(&out, report, err);
}

int rj_cli_info(int argc, char **argv)
{
	struct ramjet_error error = { 0 };
	struct rj_cli_verb_line line;
	json_t *report = NULL, *migration = NULL;
	int rc = rj_cli_verb_begin(&verb, argc, argv, &line);

	if (rc >= 0)
		return rc;
	rc = rj_qmp_caller_call(&line.caller, "query-migrate", NULL, &migration,
				&error);
	if (!rc)
		rc = rj_qmp_caller_call(&line.caller, "x-ramjet-query-report",
					NULL, &report, &error);
	if (!rc && line.json)
		rc = print_json(report, &error);
	else if (!rc)
		rj_cli_monitor_text(migration, report, stdout);
	json_decref(migration);
	json_decref(report);
	return rj_cli_verb_end(&verb, &line, rc, &error);
}
