/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/bad_memory.h"
#include "cli/base/human.h"
#include "cli/base/signals.h"
#include "cli/base/terminal.h"
#include "cli/commands/command.h"
#include "cli/commands/demo_helpers.h"
#include "cli/commands/demo_scene.h"
#include "cli/commands/demo_target.h"
#include "cli/guest_kinds.h"
#include "cli/options/command_line.h"
#include "cli/session/end.h"
#include "cli/session/result.h"
#include "cli/session/run.h"
#include "util/error.h"

struct demo {
	struct rj_cli_command_line line;
	struct rj_cli_session session;
	struct rj_cli_demo_target target;
	struct rj_cli_demo_helpers helpers;
	char no_helpers[508];                  /* why there are none */
	const struct rj_cli_demo_scene *scene; /* NULL: none is needed */
	void *set;                             /* its, once it is set up */
	char seen[200]; /* how the guest was seen to go on there; or "" */
};

static void heading(const char *text)
{
	(void)printf("%s%s%s\n", rj_cli_ink(stdout, RJ_CLI_BOLD), text,
		     rj_cli_ink(stdout, RJ_CLI_PLAIN));
}

static void fact(const char *name, const char *text)
{
	(void)printf("  %s%-10s%s %s\n", rj_cli_ink(stdout, RJ_CLI_BOLD), name,
		     rj_cli_ink(stdout, RJ_CLI_PLAIN), text);
}

/* What is going to happen; the target isn't up yet. */
static void say_plan(void *user)
{
	const struct demo *demo = user;
	char text[160], limit[RJ_CLI_HUMAN_BYTES];

	heading("A running guest is about to move from one process to "
		"another.");
	(void)printf("\n");
	(void)snprintf(text, sizeof(text), "here, process %d", (int)getpid());
	fact("source", text);
	(void)snprintf(text, sizeof(text), "process %d, 'ramjet recv'",
		       (int)demo->target.child.pid);
	fact("target", text);
	(void)snprintf(
		text, sizeof(text), "a pause of at most %s%s",
		rj_cli_human_time(demo->line.params.downtime_limit_us, limit),
		demo->line.params.verify ? ", proof apart, and not a byte lost"
					 : "");
	fact("wanted", text);
}

static void say_helpers(const struct demo *demo)
{
	char text[600];

	if (demo->helpers.running)
		(void)snprintf(text, sizeof(text),
			       "%s and %s, on a D-Bus of their own on each "
			       "side",
			       rj_cli_demo_helper_id(0),
			       rj_cli_demo_helper_id(1));
	else
		(void)snprintf(text, sizeof(text), "none: %s",
			       demo->no_helpers);
	fact("helpers", text);
}

static void say_guest(void *user)
{
	const struct demo *demo = user;
	const uint64_t bytes = demo->line.guest.bytes;
	char what[4300], size[RJ_CLI_HUMAN_BYTES], text[4400];

	demo->session.guest->kind->describe(demo->session.guest, what,
					    sizeof(what));
	(void)snprintf(text, sizeof(text), "%s%s%s",
		       bytes ? rj_cli_human_size(bytes, size) : "",
		       bytes ? ", " : "", what);
	fact("guest", text);
	say_helpers(demo);
	fact("over", demo->target.uri);
	(void)printf("\n");
	if (demo->line.params.hold)
		(void)printf("  'kill -USR1 %d' switches over\n",
			     (int)getpid());
}

/* Helpers are an extra: without them the demo goes on. */
static int start_helpers(struct demo *demo, struct ramjet_error *err)
{
	struct ramjet_error why = { 0 };
	int rc;

	if (demo->line.no_helpers) {
		(void)snprintf(demo->no_helpers, sizeof(demo->no_helpers),
			       "--no-helpers");
		return 0;
	}
	rc = rj_cli_demo_helpers_start(&demo->helpers, &why);
	if (rc && demo->line.params.strict)
		return rj_fail(err, rc, "helpers: %s", why.message);
	(void)snprintf(demo->no_helpers, sizeof(demo->no_helpers), "%s",
		       why.message);
	if (!rc)
		demo->line.helpers =
			demo->helpers.buses[RJ_CLI_DEMO_HERE].address;
	return 0;
}

static int start_others(struct demo *demo, struct ramjet_error *err)
{
	const char *there = NULL, *guest = NULL;
	int rc = start_helpers(demo, err);

	if (rc >= 0 && demo->scene)
		rc = demo->scene->start(&demo->line, &demo->set, err);
	if (rc < 0)
		return rc;
	if (demo->helpers.running)
		there = demo->helpers.buses[RJ_CLI_DEMO_THERE].address;
	if (demo->scene)
		guest = demo->scene->target(demo->set);
	return rj_cli_demo_target_start(&demo->line, guest, there,
					&demo->target, err);
}

/* Everything up to the end of the migration, whatever it is. */
static void move(struct demo *demo)
{
	struct rj_cli_session *session = &demo->session;
	struct ramjet_error error = { 0 };
	int rc;

	rc = start_others(demo, &error);
	if (rc < 0) {
		rj_cli_session_fail(session, &error,
				    rc == -EINVAL ? RJ_CLI_EXIT_USAGE
						  : RJ_CLI_EXIT_FAILED);
		return;
	}
	rj_cli_session_print(session, say_plan, demo);
	/* The source's guest is filled while the target's memory is
	 * reserved. */
	if (rj_cli_session_open(session, rj_cli_guest_new) < 0)
		return;
	if (rj_cli_demo_target_ready(&demo->target, &error) < 0) {
		rj_cli_session_fail(session, &error, RJ_CLI_EXIT_FAILED);
		return;
	}
	demo->line.uri = demo->target.uri; /* the port it really has */
	rj_cli_session_print(session, say_guest, demo);
	rj_cli_session_run(session, demo->target.uri, NULL);
}

/* Whether the target's guest passed its self-check is in the target's
 * report. */
static void hear_target(struct demo *demo)
{
	struct rj_cli_session *session = &demo->session;
	struct ramjet_error error = { 0 };

	if (!demo->target.child.pid)
		return;
	/* Without a migration it would listen for ever. */
	if (session->exit_status) {
		rj_cli_demo_target_done(&demo->target);
		return;
	}
	if (rj_cli_demo_target_finish(&demo->target, &session->target, &error) <
	    0)
		rj_cli_session_fail(session, &error, RJ_CLI_EXIT_FAILED);
}

static uint64_t number(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

/* Fail unless everything that the demo claims was really shown. */
static int prove(struct demo *demo)
{
	struct rj_cli_session *session = &demo->session;
	const json_t *check = json_object_get(session->target, "self_check");
	struct ramjet_error error = { 0 };

	if (demo->line.params.verify && !session->info->verified)
		(void)rj_fail(&error, -EIO,
			      "completed, but the memory was not proven "
			      "equal");
	else if (session->guest->kind->live &&
		 !json_is_true(json_object_get(check, "clean")))
		(void)rj_fail(&error, -EIO,
			      "completed, but the target reports no "
			      "clean self-check");
	else if (demo->scene)
		(void)demo->scene->prove(demo->set, demo->seen,
					 sizeof(demo->seen), &error);
	for (unsigned i = 0; i < RJ_CLI_DEMO_HELPERS && !error.code; i++)
		if (demo->helpers.running)
			(void)rj_cli_demo_helper_compare(&demo->helpers, i,
							 &error);
	if (!error.code)
		return 0;
	rj_cli_session_fail(session, &error, RJ_CLI_EXIT_FAILED);
	return error.code;
}

static void say_target_guest(const struct demo *demo)
{
	const json_t *check =
		json_object_get(demo->session.target, "self_check");
	char first[RJ_CLI_HUMAN_BYTES], more[RJ_CLI_HUMAN_BYTES];
	char pages[RJ_CLI_HUMAN_BYTES], text[160];

	if (*demo->seen) {
		fact("guest", demo->seen);
		return;
	}
	if (!demo->session.guest->kind->live) {
		fact("guest", "is idle: there is nothing to ask it");
		return;
	}
	rj_cli_human_count(number(check, "pages"), pages);
	if (!demo->line.guest.write_bytes_per_s) {
		(void)snprintf(text, sizeof(text),
			       "is idle; its self-check of %s pages is clean",
			       pages);
		fact("guest", text);
		return;
	}
	(void)snprintf(
		text, sizeof(text),
		"went on there with the very next page write, number "
		"%s,",
		rj_cli_human_count(number(check, "first_write") + 1, first));
	fact("guest", text);
	(void)snprintf(text, sizeof(text),
		       "and %s more; its self-check of %s pages is clean",
		       rj_cli_human_count(number(check, "own_writes"), more),
		       pages);
	fact("", text);
}

/* What the target's report says of a helper, in microseconds. */
static uint64_t load_us(const struct demo *demo, const char *id)
{
	const json_t *all = json_object_get(demo->session.target, "helpers");
	const json_t *one;
	size_t i;

	json_array_foreach(all, i, one)
	{
		const char *its = json_string_value(json_object_get(one, "id"));

		if (its && !strcmp(its, id))
			return (uint64_t)(1000 *
					  json_number_value(json_object_get(
						  one, "load_ms")));
	}
	return 0;
}

/* prove() has compared them by now. */
static void say_helpers_result(const struct demo *demo)
{
	const struct ramjet_info *info = demo->session.info;
	char bytes[RJ_CLI_HUMAN_BYTES], save[RJ_CLI_HUMAN_BYTES];
	char load[RJ_CLI_HUMAN_BYTES], text[400];

	for (size_t i = 0; i < info->helper_count; i++) {
		const struct ramjet_helper_info *helper =
			RAMJET_AT(info->helpers, i);

		(void)snprintf(
			text, sizeof(text),
			"%s: %s, saved %s, loaded %s, arrived byte for byte",
			helper->id, rj_cli_human_size(helper->bytes, bytes),
			rj_cli_human_time(helper->save_us, save),
			rj_cli_human_time(load_us(demo, helper->id), load));
		fact(i ? "" : "helpers", text);
	}
}

static void say_result(void *user)
{
	const struct demo *demo = user;
	const struct ramjet_info *info = demo->session.info;
	char pause[RJ_CLI_HUMAN_BYTES];

	(void)printf("\n");
	rj_cli_result_pause(info, stdout);
	rj_cli_result_memory(info, stdout);
	rj_cli_result_savings(demo->session.savings, stdout);
	rj_cli_result_paths(info, stdout);
	say_target_guest(demo);
	say_helpers_result(demo);
	rj_cli_result_proof(info, stdout);
	rj_cli_human_time(info->downtime_us, pause);
	(void)printf("%sMoved.%s The guest runs there now; it stood still for "
		     "%s%s.\n",
		     rj_cli_ink(stdout, RJ_CLI_GOOD),
		     rj_cli_ink(stdout, RJ_CLI_PLAIN), pause,
		     info->verified ? ", proof included" : "");
}

int rj_cli_demo(int argc, char **argv)
{
	struct demo demo = {
		.target = RJ_CLI_DEMO_TARGET_NONE,
	};
	struct ramjet_error error = { 0 };
	int status;

	if (rj_cli_command_line_parse(RJ_CLI_DEMO, argc, argv, &demo.line,
				      &error))
		return rj_cli_session_usage(&demo.line, &error);
	if (demo.line.help) {
		rj_cli_command_line_help(RJ_CLI_DEMO, stdout);
		return RJ_CLI_EXIT_COMPLETED;
	}
	rj_cli_signals_install();
	rj_cli_bad_memory_handle();
	demo.scene = rj_cli_demo_scene_of(demo.line.guest.kind);
	rj_cli_session_init(&demo.session, &demo.line);
	demo.session.progress.every_round = true;
	if (!demo.session.exit_status)
		move(&demo);
	hear_target(&demo);
	if (!demo.session.exit_status && !prove(&demo))
		rj_cli_session_print(&demo.session, say_result, &demo);
	rj_cli_demo_target_done(&demo.target);
	rj_cli_demo_helpers_done(&demo.helpers);
	status = rj_cli_session_finish(&demo.session);
	if (demo.set)
		demo.scene->done(demo.set);
	return status;
}
