/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "cli/commands/command.h"
#include "cli/remote/monitor_verb.h"

static const struct rj_cli_verb verb = {
	.name = "switchover",
	.usage = "MONITOR",
	.about = "Lets a migration that holds (--hold) switch over now, or as "
		 "soon as the pause\nfits its limit.",
};

int rj_cli_switchover(int argc, char **argv)
{
	struct ramjet_error error = { 0 };
	struct rj_cli_verb_line line;
	int rc = rj_cli_verb_begin(&verb, argc, argv, &line);

	if (rc >= 0)
		return rc;
	rc = rj_qmp_caller_call(&line.caller, "x-ramjet-switchover", NULL, NULL,
				&error);
	if (!rc)
		(void)printf("switching over\n");
	return rj_cli_verb_end(&verb, &line, rc, &error);
}
