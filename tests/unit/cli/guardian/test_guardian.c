/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guardian, and ramjets that die beside it: each is a process that goes to
 * some step and kills itself.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/guardian/watch.h"
#include "cli/qmp/caller.h"
#include "tests/unit/cli/guardian/guardian_rig.h"
#include "util/cleanup.h"

#define UNDO                                                              \
	"{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"a\":" \
	"1}}\n{\"execute\":\"announce-self\"}"

static void life_idle(struct rj_guardian *g)
{
	(void)g;
}

static void life_stopping(struct rj_guardian *g)
{
	rig_must(rj_guardian_stopping(g, NULL));
}

static void life_ran_on(struct rj_guardian *g)
{
	rig_must(rj_guardian_stopping(g, NULL));
	rj_guardian_running(g);
}

static void life_committing(struct rj_guardian *g)
{
	rig_must(rj_guardian_undo(g, UNDO, NULL));
	rig_must(rj_guardian_stopping(g, NULL));
	rj_guardian_committing(g);
}

static void life_handed_over(struct rj_guardian *g)
{
	life_committing(g);
	rj_guardian_handed_over(g);
	rig_must(rj_guardian_undo(g, "", NULL));
}

static void life_starting(struct rj_guardian *g)
{
	rig_must(rj_guardian_undo(g, UNDO, NULL));
	rj_guardian_starting(g);
}

static void life_napping(struct rj_guardian *g)
{
	rig_must(rj_guardian_nap(g, true, NULL));
	rig_must(rj_guardian_stopping(g, NULL));
	rj_guardian_running(g);
}

static void life_awake(struct rj_guardian *g)
{
	rig_must(rj_guardian_nap(g, true, NULL));
	rig_must(rj_guardian_nap(g, false, NULL));
}

static void life_with_undo(struct rj_guardian *g)
{
	rig_must(rj_guardian_undo(g, "{\"execute\":\"x\"}", NULL));
	rig_must(rj_guardian_undo(g, "", NULL));
	rig_must(rj_guardian_undo(g, UNDO, NULL));
}

static void life_without_undo(struct rj_guardian *g)
{
	life_with_undo(g);
	rig_must(rj_guardian_undo(g, "", NULL));
}

/* The monitor's only client, as ramjet is. */
static void life_connected(struct rj_guardian *g)
{
	struct rj_qmp_caller monitor;

	rig_must(rj_qmp_caller_open(rig.path, &monitor, NULL));
	rig_must(rj_guardian_stopping(g, NULL));
	rig_must(rj_qmp_caller_call(&monitor, "stop", NULL, NULL, NULL));
}

static void kill_guardian(struct rj_guardian *g)
{
	const pid_t pid = rj_guardian_pid(g);
	siginfo_t info;

	rig_must(!pid);
	rig_must(kill(pid, SIGKILL));
	rig_must(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
}

static void life_with_another_guardian(struct rj_guardian *g)
{
	kill_guardian(g);
	rig_must(rj_guardian_pid(g));
	rig_must(rj_guardian_stopping(g, NULL));
	rig_must(!rj_guardian_pid(g));
}

static void life_of_two_deaths(struct rj_guardian *g)
{
	rig_must(rj_guardian_stopping(g, NULL));
	kill_guardian(g);
}

static void life_exits(struct rj_guardian *g)
{
	rig_must(rj_guardian_stopping(g, NULL));
	_exit(0);
}

static void life_killed_with_its_group(struct rj_guardian *g)
{
	rig_must(rj_guardian_stopping(g, NULL));
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	rig_must(kill(0, SIGHUP));
	rig_must(kill(0, SIGINT));
	rig_must(kill(0, SIGTERM));
	rig_must(kill(0, SIGKILL));
}

/* What has all its descriptors, but is not it. */
static void life_with_a_copy(struct rj_guardian *g)
{
	char byte;

	rig_must(rj_guardian_stopping(g, NULL));
	if (fork())
		return;
	(void)close(rig.copy[1]);
	(void)!read(rig.copy[0], &byte, 1);
	_exit(0);
}

/* Where death finds ramjet, what the monitor hears, what the next one is
 * told. */
static void each_death_is_put_right(void **state)
{
	static const struct {
		life_fn *life;
		const char *said;
		enum rj_guardian_left left;
	} deaths[] = {
		{ life_idle, "", RJ_GUARDIAN_LEFT_NOTHING },
		{ life_stopping, "cont,", RJ_GUARDIAN_LEFT_RESUMED },
		{ life_ran_on, "", RJ_GUARDIAN_LEFT_NOTHING },
		{ life_committing, "", RJ_GUARDIAN_LEFT_COMMITTED },
		{ life_handed_over, "", RJ_GUARDIAN_LEFT_NOTHING },
		{ life_starting, "cont,migrate-set-capabilities,announce-self,",
		  RJ_GUARDIAN_LEFT_RESUMED },
		{ life_napping, "cont,", RJ_GUARDIAN_LEFT_RESUMED },
		{ life_awake, "", RJ_GUARDIAN_LEFT_NOTHING },
		{ life_with_undo,
		  "query-status,migrate-set-capabilities,announce-self,",
		  RJ_GUARDIAN_LEFT_NOTHING },
		{ life_without_undo, "", RJ_GUARDIAN_LEFT_NOTHING },
		{ life_with_another_guardian, "cont,",
		  RJ_GUARDIAN_LEFT_RESUMED },
		{ life_of_two_deaths, "", RJ_GUARDIAN_LEFT_PAUSED },
		{ life_exits, "cont,", RJ_GUARDIAN_LEFT_RESUMED },
		{ life_killed_with_its_group, "cont,",
		  RJ_GUARDIAN_LEFT_RESUMED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(deaths) / sizeof(*deaths); i++) {
		rig.said[0] = '\0';
		(void)rig_live(deaths[i].life);
		if (*deaths[i].said)
			rig_serve_one();
		rig_await_all_ends();
		rig_nobody_came();
		assert_string_equal(rig.said, deaths[i].said);
		assert_int_equal(rig_left(""), deaths[i].left);
	}
}

static void only_client_of_the_monitor_makes_room_by_dying(void **state)
{
	(void)state;
	(void)rig_live(life_connected);
	rig_serve_one();
	assert_string_equal(rig.said, "stop,");
	rig_serve_one();
	rig_await_all_ends();
	assert_string_equal(rig.said, "stop,cont,");
	assert_int_equal(rig_left("its guardian resumed it"),
			 RJ_GUARDIAN_LEFT_RESUMED);
}

static void monitor_that_listens_late_is_waited_for(void **state)
{
	pid_t ramjet;

	(void)state;
	rj_close_fd(&rig.listener);
	(void)unlink(rig.path);
	ramjet = rig_live(life_stopping);
	assert_int_equal(waitpid(ramjet, NULL, 0), ramjet);
	rig_listen();
	rig_serve_one();
	rig_await_all_ends();
	assert_string_equal(rig.said, "cont,");
	assert_int_equal(rig_left(""), RJ_GUARDIAN_LEFT_RESUMED);
}

static void monitor_that_never_listens_is_said_to_the_next(void **state)
{
	(void)state;
	rj_close_fd(&rig.listener);
	rig.patience_ms = 1;
	(void)rig_live(life_stopping);
	rig_await_all_ends();
	assert_int_equal(rig_left("nobody listens there"),
			 RJ_GUARDIAN_LEFT_PAUSED);
}

static void vmm_that_refuses_is_quoted_to_the_next(void **state)
{
	(void)state;
	rig.error = "Failed to get \\\"write\\\" lock";
	(void)rig_live(life_stopping);
	rig_serve_one();
	rig_await_all_ends();
	rig.error = NULL;
	assert_int_equal(rig_left("Failed to get \"write\" lock"),
			 RJ_GUARDIAN_LEFT_PAUSED);
}

static void copy_of_ramjet_does_not_hide_its_death(void **state)
{
	(void)state;
	assert_int_equal(pipe2(rig.copy, O_CLOEXEC), 0);
	(void)rig_live(life_with_a_copy);
	rig_serve_one();
	(void)close(rig.copy[1]);
	rig_await_all_ends();
	(void)close(rig.copy[0]);
	assert_string_equal(rig.said, "cont,");
	assert_int_equal(rig_left(""), RJ_GUARDIAN_LEFT_RESUMED);
}

static void vmm_that_has_ended_needs_nothing(void **state)
{
	struct rj_guardian *g;
	struct ramjet_error err = { 0 };

	(void)state;
	rig.vmm = fork();
	if (!rig.vmm)
		for (;;)
			(void)pause();
	rj_close_fd(&rig.listener);
	g = rig_start();
	assert_int_equal(rj_guardian_stopping(g, NULL), 0);
	(void)kill(rig.vmm, SIGKILL);
	assert_int_equal(waitpid(rig.vmm, NULL, 0), rig.vmm);
	assert_int_equal(rj_guardian_end(g, &err), -EIO);
	assert_non_null(strstr(err.message, "so has the VMM"));
	assert_false(rig_has_page());
}

static void only_one_ramjet_works_with_a_vmm(void **state)
{
	struct rj_guardian *g = rig_start(), *other = NULL;
	struct rj_guardian_order full = rig_order();
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(rj_guardian_start(&full, &other, &err), -EBUSY);
	assert_non_null(strstr(err.message, "another ramjet"));
	assert_int_equal(rj_guardian_end(g, NULL), 0);
	assert_false(rig_has_page());
}

static void guardian_has_its_own_session_and_none_of_our_files(void **state)
{
	int ours = open("/dev/null", O_RDONLY), kept = 0;
	struct rj_guardian *g = rig_start();
	const pid_t pid = rj_guardian_pid(g);
	char path[64], target[64];

	(void)state;
	assert_int_equal(getsid(pid), pid);
	/* Standard streams, its end of the life, the page, two pidfds. */
	for (int fd = 0; fd < 64; fd++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid,
			       fd);
		kept += readlink(path, target, sizeof(target)) > 0;
	}
	assert_int_equal(kept, 7);
	assert_int_equal(rj_guardian_end(g, NULL), 0);
	(void)close(ours);
}

/* Its own start failed, say: the connection is closed, the mark is left. */
static void end_with_the_mark_left_has_the_guest_resumed(void **state)
{
	struct rj_guardian *g = rig_start();
	int status = -1;
	pid_t monitor;

	(void)state;
	assert_int_equal(rj_guardian_stopping(g, NULL), 0);
	monitor = fork();
	if (!monitor) {
		rig_serve_one();
		_exit(strcmp(rig.said, "cont,") ? 1 : 0);
	}
	assert_int_equal(rj_guardian_end(g, NULL), 0);
	assert_int_equal(waitpid(monitor, &status, 0), monitor);
	assert_int_equal(status, 0);
	assert_false(rig_has_page());
}

static void handed_over_and_ended_is_no_matter_of_the_guardian(void **state)
{
	struct rj_guardian *g = rig_start();

	(void)state;
	assert_int_equal(rj_guardian_stopping(g, NULL), 0);
	rj_guardian_committing(g);
	assert_int_equal(rj_guardian_end(g, NULL), 0);
	rig_nobody_came();
	assert_false(rig_has_page());
}

static void pages_of_dead_vmms_are_swept_away(void **state)
{
	char path[128];
	pid_t dead;

	(void)state;
	rig.vmm = fork();
	if (!rig.vmm)
		for (;;)
			(void)pause();
	dead = rig.vmm;
	rig_page_path(path, sizeof(path));
	(void)rig_live(life_of_two_deaths);
	assert_true(waitpid(-1, NULL, 0) > 0);
	(void)kill(dead, SIGKILL);
	rig_await_all_ends();
	assert_int_equal(access(path, F_OK), 0);
	rig.vmm = getpid();
	assert_int_equal(rig_left(""), RJ_GUARDIAN_LEFT_NOTHING);
	assert_int_equal(access(path, F_OK), -1);
}

static void undo_list_has_a_limit(void **state)
{
	struct rj_guardian *g = rig_start();
	char *commands = malloc(RJ_GUARDIAN_UNDO_BYTES + 1);

	(void)state;
	assert_non_null(commands);
	memset(commands, 'x', RJ_GUARDIAN_UNDO_BYTES);
	commands[RJ_GUARDIAN_UNDO_BYTES] = '\0';
	assert_int_equal(rj_guardian_undo(g, commands, NULL), -E2BIG);
	free(commands);
	assert_int_equal(rj_guardian_end(g, NULL), 0);
}

static void folder_that_others_may_write_to_is_refused(void **state)
{
	struct rj_guardian_order full = rig_order();
	struct rj_guardian *g = NULL;
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(chmod(rig.folder, 0777), 0);
	assert_int_equal(rj_guardian_start(&full, &g, &err), -EPERM);
}

static void guardian_that_cannot_start_is_an_error(void **state)
{
	struct rj_guardian_order full = rig_order();
	struct rj_guardian *g = NULL;
	struct ramjet_error err = { 0 };

	(void)state;
	full.program = "/nonexistent";
	assert_int_equal(rj_guardian_start(&full, &g, &err), -EIO);
	assert_int_equal(rig_left(""), RJ_GUARDIAN_LEFT_NOTHING);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(each_death_is_put_right),
		CASE(only_client_of_the_monitor_makes_room_by_dying),
		CASE(monitor_that_listens_late_is_waited_for),
		CASE(monitor_that_never_listens_is_said_to_the_next),
		CASE(vmm_that_refuses_is_quoted_to_the_next),
		CASE(copy_of_ramjet_does_not_hide_its_death),
		CASE(vmm_that_has_ended_needs_nothing),
		CASE(only_one_ramjet_works_with_a_vmm),
		CASE(guardian_has_its_own_session_and_none_of_our_files),
		CASE(end_with_the_mark_left_has_the_guest_resumed),
		CASE(handed_over_and_ended_is_no_matter_of_the_guardian),
		CASE(pages_of_dead_vmms_are_swept_away),
		CASE(undo_list_has_a_limit),
		CASE(folder_that_others_may_write_to_is_refused),
		CASE(guardian_that_cannot_start_is_an_error),
	};

	if (rj_guardian_is_meant(argc, argv))
		return rj_guardian_main();
	return cmocka_run_group_tests_name("guardian", tests, NULL, NULL);
}
