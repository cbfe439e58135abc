/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests that somebody has paused stay so, wherever they arrive. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/engine/move.h"

static const enum move_over ways[] = { MOVE_UNIX, MOVE_SOCKETPAIR, MOVE_PIPE,
				       MOVE_FILE };

static void expect_arrived_paused(struct move *move)
{
	assert_int_equal(move->source_rc, 0);
	assert_int_equal(move->target_rc, 0);
	assert_int_equal(small_vm_calls(&move->target, VM_START), 0);
	assert_true(ramjet_guest_is_paused(move->target.guest));
	small_vm_expect_equal(&move->source, &move->target);
	/* It is the target's own now. */
	assert_int_equal(ramjet_guest_set_paused(move->target.guest, false), 0);
	assert_false(ramjet_guest_is_paused(move->target.guest));
}

static void a_paused_guest_arrives_paused(void **state)
{
	struct move *move = *state;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		move_init(move, &move_machine);
		small_vm_power_off(&move->source);
		assert_int_equal(
			ramjet_guest_set_paused(move->source.guest, true), 0);
		move_begin(move, ways[i]);
		move_await(move);
		expect_arrived_paused(move);
		move_done(move);
	}
}

static void a_target_that_is_to_wait_waits(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	assert_int_equal(ramjet_guest_set_paused(move->target.guest, true), 0);
	move_begin(move, MOVE_UNIX);
	move_await(move);
	expect_arrived_paused(move);
}

static void one_that_goes_on_in_time_arrives_running(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	assert_int_equal(ramjet_guest_set_paused(move->source.guest, true), 0);
	assert_int_equal(ramjet_guest_set_paused(move->source.guest, false), 0);
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_false(ramjet_guest_is_paused(move->target.guest));
}

/* As late as can be: the guest is stopped, and COMMIT not yet sent. */
static void pause_when_stopped(struct small_vm *vm, enum vm_call call)
{
	if (call == VM_SAVE && ramjet_guest_set_paused(vm->guest, true))
		abort();
}

static void one_paused_during_the_switchover_arrives_paused(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	move->source.on_call = pause_when_stopped;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	expect_arrived_paused(move);
}

static int late_rc, same_rc;

/* On the target, COMMIT has said it. */
static void pause_when_starting(struct small_vm *vm, enum vm_call call)
{
	if (call != VM_START)
		return;
	late_rc = ramjet_guest_set_paused(vm->guest, true);
	same_rc = ramjet_guest_set_paused(vm->guest, false);
}

static void a_wish_after_commit_is_refused(void **state)
{
	struct move *move = *state;

	late_rc = same_rc = 1;
	move_init(move, &move_machine);
	move->target.on_call = pause_when_starting;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_int_equal(late_rc, -EALREADY);
	assert_int_equal(same_rc, 0);
	assert_int_equal(ramjet_guest_set_paused(NULL, true), -EINVAL);
	assert_false(ramjet_guest_is_paused(NULL));
}

/* What a COMMIT says that comes to nothing counts for nothing. */
static void a_stream_that_was_not_taken_pauses_nobody(void **state)
{
	struct move *move = *state;
	char uri[160];

	move_init(move, &move_machine);
	small_vm_power_off(&move->source);
	assert_int_equal(ramjet_guest_set_paused(move->source.guest, true), 0);
	(void)snprintf(uri, sizeof(uri), "file:%s/image", move->folder);
	assert_int_equal(ramjet_migrate(move->source.guest, uri,
					&move->source_params, &move->outgoing,
					NULL),
			 0);
	assert_int_equal(ramjet_wait(move->outgoing, -1, NULL), 0);
	/* COMMIT is read, and then the command says that it failed. */
	(void)snprintf(uri, sizeof(uri), "exec:cat %s/image; exit 3",
		       move->folder);
	assert_int_equal(ramjet_incoming(move->target.guest, uri,
					 &move->target_params, &move->incoming,
					 NULL),
			 0);
	assert_int_not_equal(ramjet_wait(move->incoming, -1, &move->target_err),
			     0);
	move_expect_error(&move->target_err, move->target_err.code, "status 3");
	assert_false(ramjet_guest_is_paused(move->target.guest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(a_paused_guest_arrives_paused),
		MOVE_TEST(a_target_that_is_to_wait_waits),
		MOVE_TEST(one_that_goes_on_in_time_arrives_running),
		MOVE_TEST(one_paused_during_the_switchover_arrives_paused),
		MOVE_TEST(a_wish_after_commit_is_refused),
		MOVE_TEST(a_stream_that_was_not_taken_pauses_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
