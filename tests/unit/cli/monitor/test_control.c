/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/monitor/control.h"
#include "tests/unit/cli/fake_ramjet.h"
#include "util/compiler.h"
#include "util/error.h"

/*
 * A manager's requests in every state. Nothing moves: the library is a fake,
 * and the guest counts how often it is stopped and started.
 */

struct world {
	struct rj_cli_guest guest;
	struct rj_cli_monitor_guest monitored;
	struct rj_cli_control control;
	struct ramjet_guest *handle;
	struct ramjet_migration *taken;
	struct ramjet_error error;
	enum rj_cli_role role;
	unsigned stops;
	unsigned starts;
	unsigned changes; /* of running or not, as told */
	bool runs;
	/* What others do while a migration begins: a name may take a while. */
	void (*meanwhile)(struct world *w);
};

static int guest_stop(void *user, struct ramjet_error *err)
{
	struct world *w = rj_container_of(user, struct world, guest);

	(void)err;
	w->stops++;
	return 0;
}

static int guest_start(void *user, struct ramjet_error *err)
{
	struct world *w = rj_container_of(user, struct world, guest);

	(void)err;
	w->starts++;
	return 0;
}

static const struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT,
					     .stop = guest_stop,
					     .start = guest_start };
static const struct rj_cli_guest_kind kind = { .name = "fake", .ops = &ops };

static void changed(void *user, bool runs)
{
	struct world *w = user;

	w->changes++;
	w->runs = runs;
}

static int begin(void *user, const char *uri,
		 const struct ramjet_params *params,
		 struct ramjet_migration **ret, struct ramjet_error *err)
{
	struct world *w = user;

	if (w->meanwhile)
		w->meanwhile(w);
	return w->role == RJ_CLI_SOURCE
		       ? ramjet_migrate(w->handle, uri, params, ret, err)
		       : ramjet_incoming(w->handle, uri, params, ret, err);
}

static struct world *new_world(enum rj_cli_role role)
{
	const struct ramjet_params params = { RAMJET_PARAMS_INIT };
	struct world *w = calloc(1, sizeof(*w));

	fake_reset();
	w->role = role;
	w->guest.kind = &kind;
	rj_cli_monitor_guest_init(&w->monitored, &w->guest, role, changed, w);
	assert_int_equal(ramjet_guest_new(&w->monitored.ops, &w->monitored,
					  &w->handle, NULL),
			 0);
	rj_cli_control_init(&w->control, role, &w->monitored, &params, begin,
			    w);
	return w;
}

static int set_up_source(void **state)
{
	*state = new_world(RJ_CLI_SOURCE);
	return 0;
}

static int set_up_target(void **state)
{
	*state = new_world(RJ_CLI_TARGET);
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	rj_cli_control_done(&w->control);
	rj_cli_monitor_guest_done(&w->monitored);
	ramjet_migration_free(w->taken);
	ramjet_guest_free(w->handle);
	assert_int_equal(fake.alive, 0);
	free(w);
	return 0;
}

/* As the main thread would: wait for the newest one to end. */
static void finish(struct world *w, enum ramjet_state end)
{
	struct ramjet_migration *next =
		rj_cli_control_take(&w->control, w->taken, 0);

	assert_non_null(next);
	ramjet_migration_free(w->taken);
	w->taken = next;
	fake.end = end;
	fake.wait_rc = end == RAMJET_STATE_COMPLETED ? 0 : -EIO;
	fake.message = "as told";
	fake.restart_guest = end == RAMJET_STATE_FAILED;
	(void)ramjet_wait(next, -1, NULL);
	assert_int_equal(ramjet_migration_state(next), end);
}

static void assert_refused(struct world *w, int rc, const char *needle)
{
	assert_true(rc < 0);
	if (!strstr(w->error.message, needle))
		fail_msg("'%s', wanted '%s'", w->error.message, needle);
	rj_error_clear(&w->error);
}

static int start(struct world *w)
{
	return rj_cli_control_begin(&w->control, "tcp:host:1", &w->error);
}

static void one_migration_at_a_time(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w), 0);
	assert_refused(w, start(w),
		       w->role == RJ_CLI_SOURCE
			       ? "There's a migration process in progress"
			       : "already been started");
	assert_string_equal(fake.uri, "tcp:host:1");
}

static void after_a_failure_another_may_begin(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w), 0);
	finish(w, RAMJET_STATE_FAILED);
	assert_int_equal(start(w), 0);
	finish(w, RAMJET_STATE_COMPLETED);
	assert_refused(w, start(w),
		       w->role == RJ_CLI_SOURCE ? "handed over" : "arrived");
}

static void one_that_main_never_saw_is_freed(void **state)
{
	struct world *w = *state;
	struct ramjet_migration *first;

	assert_int_equal(start(w), 0);
	first = w->control.current;
	fake.end = RAMJET_STATE_FAILED;
	(void)ramjet_wait(first, -1, NULL);
	assert_int_equal(start(w), 0);
	finish(w, RAMJET_STATE_FAILED);
	assert_null(rj_cli_control_take(&w->control, w->taken, 0));
}

static void a_refusal_of_ramjet_is_passed_on(void **state)
{
	struct world *w = *state;

	fake.begin_rc = -EPERM;
	fake.message = "blocked: a, b";
	assert_refused(w, start(w), "blocked: a, b");
	assert_null(rj_cli_control_take(&w->control, NULL, 0));
}

static void cancel_is_always_legal(void **state)
{
	struct world *w = *state;

	assert_int_equal(rj_cli_control_cancel(&w->control, &w->error), 0);
	assert_int_equal(fake.cancels, 0);
	assert_int_equal(start(w), 0);
	assert_int_equal(rj_cli_control_cancel(&w->control, &w->error), 0);
	assert_int_equal(fake.cancels, 1);
	finish(w, RAMJET_STATE_CANCELLED);
	assert_int_equal(rj_cli_control_cancel(&w->control, &w->error), 0);
	assert_int_equal(fake.cancels, 1);
}

static void settings_of_one_under_way_reach_it(void **state)
{
	struct world *w = *state;
	json_t *wanted = json_pack("{s:i}", "max-bandwidth", 12345);

	assert_int_equal(start(w), 0);
	assert_int_equal(fake.params.bandwidth_bytes_per_s, 0);
	assert_int_equal(rj_cli_control_set(&w->control, wanted, &w->error), 0);
	assert_int_equal(fake.params.bandwidth_bytes_per_s, 12345);
	json_decref(wanted);
	wanted = json_pack("{s:i}", "multifd-channels", 3);
	assert_refused(w, rj_cli_control_set(&w->control, wanted, &w->error),
		       "under way");
	json_decref(wanted);
	/* And the next one. */
	finish(w, RAMJET_STATE_FAILED);
	assert_int_equal(start(w), 0);
	assert_int_equal(fake.params.bandwidth_bytes_per_s, 12345);
}

static void capabilities_wait_for_the_next_one(void **state)
{
	struct world *w = *state;
	json_t *wanted = json_pack("[{s:s, s:b}]", "capability",
				   "pause-before-switchover", "state", true);

	assert_int_equal(start(w), 0);
	assert_refused(w, rj_cli_control_enable(&w->control, wanted, &w->error),
		       "There's a migration process in progress");
	finish(w, RAMJET_STATE_FAILED);
	assert_int_equal(rj_cli_control_enable(&w->control, wanted, &w->error),
			 0);
	assert_int_equal(start(w), 0);
	assert_true(fake.params.hold);
	json_decref(wanted);
}

static void continue_wants_one_that_holds(void **state)
{
	struct world *w = *state;

	assert_refused(w,
		       rj_cli_control_switchover(&w->control, false, &w->error),
		       "none");
	assert_int_equal(start(w), 0);
	assert_refused(w,
		       rj_cli_control_switchover(&w->control, false, &w->error),
		       "active");
	assert_int_equal(
		rj_cli_control_switchover(&w->control, true, &w->error), 0);
}

/* Told to go, it must not hold again because its bandwidth changes. */
static void a_released_one_stays_released(void **state)
{
	struct world *w = *state;
	json_t *hold = json_pack("{s:b}", "x-ramjet-hold", true);
	json_t *bandwidth = json_pack("{s:i}", "max-bandwidth", 5);

	assert_int_equal(rj_cli_control_set(&w->control, hold, &w->error), 0);
	assert_int_equal(start(w), 0);
	assert_true(fake.params.hold);
	assert_int_equal(
		rj_cli_control_switchover(&w->control, true, &w->error), 0);
	assert_int_equal(rj_cli_control_set(&w->control, bandwidth, &w->error),
			 0);
	assert_false(fake.params.hold);
	assert_int_equal(rj_cli_control_set(&w->control, hold, &w->error), 0);
	assert_true(fake.params.hold);
	json_decref(hold);
	json_decref(bandwidth);
}

static void stop_and_cont_act_on_the_guest(void **state)
{
	struct world *w = *state;

	assert_string_equal(rj_cli_control_run_state(&w->control), "running");
	assert_int_equal(rj_cli_control_stop(&w->control, &w->error), 0);
	assert_string_equal(rj_cli_control_run_state(&w->control), "paused");
	assert_int_equal(rj_cli_control_stop(&w->control, &w->error), 0);
	assert_int_equal(w->stops, 1);
	assert_int_equal(rj_cli_control_cont(&w->control, false, &w->error), 0);
	assert_int_equal(rj_cli_control_cont(&w->control, false, &w->error), 0);
	assert_int_equal(w->starts, 1);
	assert_int_equal(w->changes, 2);
	assert_true(w->runs);
}

static void a_guest_is_stopped_and_continued_mid_migration(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w), 0);
	assert_int_equal(rj_cli_control_stop(&w->control, &w->error), 0);
	assert_int_equal(w->stops, 1);
	assert_true(fake.paused);
	assert_string_equal(rj_cli_control_run_state(&w->control), "paused");
	assert_int_equal(rj_cli_control_cont(&w->control, false, &w->error), 0);
	assert_int_equal(w->starts, 1);
	assert_false(fake.paused);
	assert_string_equal(rj_cli_control_run_state(&w->control), "running");
}

/* Its migration has stopped it: the wish counts for what comes after. */
static void a_guest_that_is_held_is_not_touched(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w), 0);
	assert_int_equal(w->monitored.ops.stop(&w->monitored, NULL), 0);
	assert_int_equal(w->stops, 1);
	assert_int_equal(rj_cli_control_stop(&w->control, &w->error), 0);
	assert_int_equal(rj_cli_control_cont(&w->control, false, &w->error), 0);
	assert_int_equal(rj_cli_control_stop(&w->control, &w->error), 0);
	assert_true(fake.paused);
	assert_int_equal(w->stops, 1);
	assert_int_equal(w->starts, 0);
	/* It failed: nobody lets it run against that wish. */
	assert_int_equal(w->monitored.ops.start(&w->monitored, NULL), 0);
	assert_int_equal(w->starts, 0);
	assert_string_equal(rj_cli_control_run_state(&w->control), "paused");
	assert_int_equal(rj_cli_control_cont(&w->control, false, &w->error), 0);
	assert_int_equal(w->starts, 1);
}

static void a_wish_that_comes_too_late_is_refused(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w), 0);
	assert_int_equal(w->monitored.ops.stop(&w->monitored, NULL), 0);
	fake.paused_rc = -EALREADY;
	assert_refused(w, rj_cli_control_stop(&w->control, &w->error),
		       "being handed over: it goes on running, stop it there");
	assert_refused(w, rj_cli_control_cont(&w->control, false, &w->error),
		       "being handed over: it goes on paused, continue it");
	fake.paused_rc = 0;
	assert_int_equal(w->starts, 0);
}

static void a_paused_guest_stays_paused_when_its_migration_fails(void **state)
{
	struct world *w = *state;

	assert_int_equal(rj_cli_control_stop(&w->control, &w->error), 0);
	assert_int_equal(start(w), 0);
	finish(w, RAMJET_STATE_FAILED);
	assert_string_equal(rj_cli_control_run_state(&w->control), "paused");
	assert_int_equal(w->starts, 0);
	assert_int_equal(w->changes, 1);
}

static void a_running_guest_runs_on_when_its_migration_fails(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w), 0);
	finish(w, RAMJET_STATE_FAILED);
	assert_string_equal(rj_cli_control_run_state(&w->control), "running");
	assert_int_equal(w->changes, 2); /* stopped, and started again */
}

static void a_guest_handed_over_never_runs_here_again(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w), 0);
	finish(w, RAMJET_STATE_COMPLETED);
	assert_string_equal(rj_cli_control_run_state(&w->control),
			    "postmigrate");
	assert_refused(w, rj_cli_control_cont(&w->control, false, &w->error),
		       "handed over");
	assert_refused(w, rj_cli_control_cont(&w->control, true, &w->error),
		       "handed over");
	assert_int_equal(w->starts, 0);
}

static void an_unconfirmed_one_runs_on_an_explicit_word_only(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w), 0);
	finish(w, RAMJET_STATE_UNCONFIRMED);
	assert_refused(w, start(w), "unconfirmed");
	assert_refused(w, rj_cli_control_cont(&w->control, false, &w->error),
		       "x-ramjet-cont-unconfirmed");
	assert_int_equal(w->starts, 0);
	assert_int_equal(rj_cli_control_cont(&w->control, true, &w->error), 0);
	assert_int_equal(w->starts, 1);
	assert_string_equal(rj_cli_control_run_state(&w->control), "running");
	assert_refused(w, rj_cli_control_cont(&w->control, true, &w->error),
		       "use cont");
	assert_int_equal(start(w), 0);
}

static void a_target_waits_for_its_guest(void **state)
{
	struct world *w = *state;

	assert_string_equal(rj_cli_control_run_state(&w->control), "inmigrate");
	assert_int_equal(rj_cli_control_stop(&w->control, &w->error), 0);
	assert_int_equal(start(w), 0);
	assert_int_equal(rj_cli_control_cont(&w->control, false, &w->error), 0);
	assert_string_equal(rj_cli_control_run_state(&w->control), "inmigrate");
	assert_int_equal(w->stops + w->starts, 0);
	finish(w, RAMJET_STATE_COMPLETED);
	assert_string_equal(rj_cli_control_run_state(&w->control), "running");
	assert_int_equal(rj_cli_control_stop(&w->control, &w->error), 0);
	assert_string_equal(rj_cli_control_run_state(&w->control), "paused");
}

static void quit_cancels_and_nothing_begins_after_it(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w), 0);
	rj_cli_control_quit(&w->control);
	assert_int_equal(fake.cancels, 1);
	assert_true(rj_cli_control_is_leaving(&w->control));
	finish(w, RAMJET_STATE_CANCELLED);
	assert_refused(w, start(w), "ending");
}

static void info_is_there_from_the_first_on(void **state)
{
	struct world *w = *state;
	struct ramjet_info *info;
	char uri[64];

	assert_int_equal(
		rj_cli_control_info(&w->control, &info, uri, sizeof(uri)),
		-ENOENT);
	assert_int_equal(start(w), 0);
	finish(w, RAMJET_STATE_FAILED);
	assert_int_equal(
		rj_cli_control_info(&w->control, &info, uri, sizeof(uri)), 0);
	assert_int_equal(info->state, RAMJET_STATE_FAILED);
	assert_string_equal(uri, w->role == RJ_CLI_TARGET ? "tcp:127.0.0.1:4711"
							  : "");
	ramjet_info_free(info);
}

#define SOURCE(name) \
	cmocka_unit_test_setup_teardown(name, set_up_source, tear_down)
#define TARGET(test)                                                     \
	{                                                                \
		.name = #test "_on_the_target", .test_func = test,       \
		.setup_func = set_up_target, .teardown_func = tear_down, \
	}

static void look_around(struct world *w)
{
	struct ramjet_info *info;
	char uri[64];

	assert_false(rj_cli_control_is_leaving(&w->control));
	assert_null(rj_cli_control_take(&w->control, NULL, 0));
	assert_int_equal(
		rj_cli_control_info(&w->control, &info, uri, sizeof(uri)),
		-ENOENT);
	assert_int_equal(rj_cli_control_begin(&w->control, "tcp:h:2", NULL),
			 -EBUSY);
}

static void cancel_it(struct world *w)
{
	assert_int_equal(rj_cli_control_cancel(&w->control, NULL), 0);
}

static void leave(struct world *w)
{
	rj_cli_control_quit(&w->control);
}

static void nobody_waits_for_one_that_begins(void **state)
{
	struct world *w = *state;

	fake.endless = true;
	w->meanwhile = look_around;
	assert_int_equal(rj_cli_control_begin(&w->control, "tcp:h:1", NULL), 0);
	assert_int_equal(fake.cancels, 0);
	w->taken = rj_cli_control_take(&w->control, NULL, 0);
	assert_non_null(w->taken);
	(void)ramjet_cancel(w->taken);
}

static void what_is_said_meanwhile_is_done(void **state)
{
	struct world *w = *state;

	fake.endless = true;
	w->meanwhile = cancel_it;
	assert_int_equal(rj_cli_control_begin(&w->control, "tcp:h:1", NULL), 0);
	assert_int_equal(fake.cancels, 1);
}

static void leaving_meanwhile_cancels_too(void **state)
{
	struct world *w = *state;

	fake.endless = true;
	w->meanwhile = leave;
	assert_int_equal(rj_cli_control_begin(&w->control, "tcp:h:1", NULL), 0);
	assert_int_equal(fake.cancels, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOURCE(nobody_waits_for_one_that_begins),
		TARGET(nobody_waits_for_one_that_begins),
		TARGET(what_is_said_meanwhile_is_done),
		SOURCE(leaving_meanwhile_cancels_too),
		SOURCE(one_migration_at_a_time),
		TARGET(one_migration_at_a_time),
		SOURCE(after_a_failure_another_may_begin),
		TARGET(after_a_failure_another_may_begin),
		SOURCE(one_that_main_never_saw_is_freed),
		SOURCE(a_refusal_of_ramjet_is_passed_on),
		SOURCE(cancel_is_always_legal),
		TARGET(cancel_is_always_legal),
		SOURCE(settings_of_one_under_way_reach_it),
		SOURCE(capabilities_wait_for_the_next_one),
		SOURCE(continue_wants_one_that_holds),
		SOURCE(a_released_one_stays_released),
		SOURCE(stop_and_cont_act_on_the_guest),
		SOURCE(a_guest_is_stopped_and_continued_mid_migration),
		SOURCE(a_guest_that_is_held_is_not_touched),
		SOURCE(a_wish_that_comes_too_late_is_refused),
		SOURCE(a_paused_guest_stays_paused_when_its_migration_fails),
		SOURCE(a_running_guest_runs_on_when_its_migration_fails),
		SOURCE(a_guest_handed_over_never_runs_here_again),
		SOURCE(an_unconfirmed_one_runs_on_an_explicit_word_only),
		TARGET(a_target_waits_for_its_guest),
		SOURCE(quit_cancels_and_nothing_begins_after_it),
		SOURCE(info_is_there_from_the_first_on),
		TARGET(info_is_there_from_the_first_on),
	};

	return cmocka_run_group_tests_name("monitor_control", tests, NULL,
					   NULL);
}
