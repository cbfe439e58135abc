/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands/command.h"
#include "cli/remote/monitor_follow.h"
#include "cli/remote/monitor_verb.h"
#include "util/error.h"

#define LOOK_MS 250

static const struct rj_cli_verb verb = {
	.name = "cancel",
	.usage = "MONITOR",
	.about = "Cancels a migration under way; the source's guest runs on. "
		 "Exit status: 0 when\nit was cancelled, 1 when there was none "
		 "or it ended otherwise.",
};

static int cancel(struct rj_qmp_caller *caller, struct rj_cli_followed *f,
		  struct ramjet_error *err)
{
	int rc = rj_cli_follow_query(caller, f, err);

	if (rc)
		return rc;
	if (f->info.state == RAMJET_STATE_NONE ||
	    ramjet_state_is_final(f->info.state))
		return rj_fail(err, -ENOENT, "no migration is under way: %s",
			       f->info.state ? ramjet_state_name(f->info.state)
					     : "there was none yet");
	rc = rj_qmp_caller_call(caller, "migrate_cancel", NULL, NULL, err);
	while (!rc && !ramjet_state_is_final(f->info.state)) {
		rc = rj_cli_follow_wait(caller, LOOK_MS, err);
		if (!rc)
			rc = rj_cli_follow_query(caller, f, err);
	}
	if (rc)
		return rc;
	(void)printf("%s\n", ramjet_state_name(f->info.state));
	if (f->info.state == RAMJET_STATE_CANCELLED)
		return 0;
	return rj_fail(err, -EALREADY, "the migration ended otherwise: %s",
		       ramjet_state_name(f->info.state));
}

int rj_cli_cancel(int argc, char **argv)
{
	struct ramjet_error error = { 0 };
	struct rj_cli_verb_line line;
	struct rj_cli_followed *followed;
	int rc = rj_cli_verb_begin(&verb, argc, argv, &line);

	if (rc >= 0)
		return rc;
	followed = calloc(1, sizeof(*followed));
	rc = followed ? cancel(&line.caller, followed, &error)
		      : rj_fail(&error, -ENOMEM, "out of memory");
	free(followed);
	return rj_cli_verb_end(&verb, &line, rc, &error);
}
