/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "cli/base/human.h"
#include "cli/commands/command.h"
#include "cli/remote/monitor_follow.h"
#include "cli/remote/monitor_verb.h"
#include "cli/report/json.h"
#include "cli/report/known.h"
#include "cli/report/progress.h"
#include "util/error.h"

#define LOOK_MS 250

static const struct rj_cli_verb verb = {
	.name = "watch",
	.usage = "MONITOR",
	.about = "Shows a migration as it goes, until it ends: a live line and "
		 "its rounds on a\nterminal, else a line a second. Waits for "
		 "one to begin. Exit status: the\nmigration's, 0 completed, 1 "
		 "failed or cancelled, 3 unconfirmed.",
};

static void say_end(struct rj_cli_progress *p, const struct ramjet_info *info)
{
	char size[RJ_CLI_HUMAN_BYTES], time[RJ_CLI_HUMAN_BYTES];
	char pause[RJ_CLI_HUMAN_BYTES];
	const char *name = ramjet_state_name(info->state);
	const bool paused = rj_cli_knows(info, RAMJET_KNOWN_DOWNTIME);

	rj_cli_progress_finish(p, info);
	if (info->error)
		rj_cli_progress_note(p, "%s: %s", name, info->error->message);
	else
		rj_cli_progress_note(
			p, "%s: %s in %s%s%s", name,
			rj_cli_human_size(info->ram_transferred_bytes, size),
			rj_cli_human_time(info->total_us, time),
			paused ? ", pause " : "",
			paused ? rj_cli_human_time(info->downtime_us, pause)
			       : "");
}

/* Notes what changes between two looks; lines of figures are the progress'. */
static void show(struct rj_cli_progress *p, const struct ramjet_info *info,
		 enum ramjet_state before)
{
	if (info->state == RAMJET_STATE_SETUP && info->state != before)
		rj_cli_progress_restart(p);
	if (info->state != before && p->style != RJ_CLI_PROGRESS_BAR)
		rj_cli_progress_note(p, "%s: %s",
				     ramjet_state_name(info->state), info->uri);
	if (info->state != RAMJET_STATE_NONE)
		rj_cli_progress_update(p, info);
}

static int watch(struct rj_qmp_caller *caller, struct rj_cli_followed *f,
		 struct rj_cli_progress *p, struct ramjet_error *err)
{
	enum ramjet_state before = RAMJET_STATE_COUNT_;
	int rc;

	for (;;) {
		rc = rj_cli_follow_query(caller, f, err);
		if (rc || ramjet_state_is_final(f->info.state))
			return rc;
		show(p, &f->info, before);
		before = f->info.state;
		rc = rj_cli_follow_wait(caller, LOOK_MS, err);
		if (rc)
			return rc;
	}
}

int rj_cli_watch(int argc, char **argv)
{
	struct ramjet_error error = { 0 };
	struct rj_cli_verb_line line;
	struct rj_cli_progress progress;
	struct rj_cli_followed *followed;
	int rc = rj_cli_verb_begin(&verb, argc, argv, &line), status = 0;

	if (rc >= 0)
		return rc;
	rj_cli_progress_init(&progress, RJ_CLI_PROGRESS_AUTO, stdout);
	followed = calloc(1, sizeof(*followed));
	rc = followed ? watch(&line.caller, followed, &progress, &error)
		      : rj_fail(&error, -ENOMEM, "out of memory");
	if (rc < 0) {
		rj_cli_progress_finish(&progress, NULL);
	} else {
		say_end(&progress, &followed->info);
		status = rj_cli_exit_of(followed->info.state);
	}
	rj_cli_progress_done(&progress);
	free(followed);
	rc = rj_cli_verb_end(&verb, &line, rc, &error);
	return rc ? rc : status;
}
