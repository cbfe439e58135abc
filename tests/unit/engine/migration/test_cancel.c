/* SPDX-License-Identifier: BSD-3-Clause */
/* Giving up, from any state, on either side: the source's guest runs on, and
 * can be moved again. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/engine/move.h"

/* What the callbacks below look for; one test at a time. */
static struct {
	bool by_source;
	enum ramjet_state state;
	enum vm_call call;
	int rc;
	unsigned times;
} cancel_at;

static void cancel(struct small_vm *vm)
{
	struct move *move = vm->user;

	cancel_at.rc = ramjet_cancel(move_handle(move, vm));
	cancel_at.times++;
}

static void cancel_in_state(struct small_vm *vm, enum ramjet_state state)
{
	if (state == cancel_at.state)
		cancel(vm);
}

static void cancel_in_call(struct small_vm *vm, enum vm_call call)
{
	if (call == cancel_at.call && !cancel_at.times)
		cancel(vm);
}

static struct small_vm *canceller(struct move *move, bool by_source)
{
	struct small_vm *vm = by_source ? &move->source : &move->target;

	memset(&cancel_at, 0, sizeof(cancel_at));
	cancel_at.by_source = by_source;
	return vm;
}

static void expect_cancelled(struct move *move)
{
	const bool by_source = cancel_at.by_source;
	struct small_vm *ours = by_source ? &move->source : &move->target;
	struct small_vm *theirs = by_source ? &move->target : &move->source;

	assert_int_equal(cancel_at.times, 1);
	assert_int_equal(cancel_at.rc, 0);
	move_expect_stayed(move);
	small_vm_expect_last(ours, RAMJET_STATE_CANCELLED);
	small_vm_expect_last(theirs, RAMJET_STATE_FAILED);
	move_expect_error(by_source ? &move->source_err : &move->target_err,
			  -ECANCELED, "cancel");
	move_expect_error(by_source ? &move->target_err : &move->source_err,
			  -ECONNABORTED,
			  by_source ? "the source cancelled"
				    : "the target cancelled");
	move_expect_movable(move);
}

static void run_state(struct move *move, bool by_source,
		      enum ramjet_state state)
{
	move_init(move, &move_machine);
	canceller(move, by_source)->on_state = cancel_in_state;
	cancel_at.state = state;
	move->source_params.channels = 2;
	move->source_params.hold = state == RAMJET_STATE_HELD;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move->source_params.hold = false;
	expect_cancelled(move);
	move_done(move);
}

static void run_call(struct move *move, bool by_source, enum vm_call call)
{
	move_init(move, &move_machine);
	canceller(move, by_source)->on_call = cancel_in_call;
	cancel_at.call = call;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	expect_cancelled(move);
	move_done(move);
}

static void the_source_cancels_while_active(void **state)
{
	run_state(*state, true, RAMJET_STATE_ACTIVE);
}

static void the_source_cancels_while_held(void **state)
{
	run_state(*state, true, RAMJET_STATE_HELD);
}

static void the_source_cancels_as_the_switchover_begins(void **state)
{
	run_state(*state, true, RAMJET_STATE_SWITCHOVER);
}

static void the_source_cancels_while_its_guest_stops(void **state)
{
	run_call(*state, true, VM_STOP);
}

static void the_source_cancels_while_its_devices_are_saved(void **state)
{
	run_call(*state, true, VM_SAVE);
}

static void the_target_cancels_while_active(void **state)
{
	run_state(*state, false, RAMJET_STATE_ACTIVE);
}

static void the_target_cancels_as_the_switchover_begins(void **state)
{
	run_state(*state, false, RAMJET_STATE_SWITCHOVER);
}

static void the_target_cancels_while_its_devices_are_loaded(void **state)
{
	run_call(*state, false, VM_LOAD);
}

/* The target has heard nothing yet, or not enough, and is told by hand. */
static void the_source_cancels_before_it_has_connected(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	canceller(move, true)->on_state = cancel_in_state;
	cancel_at.state = RAMJET_STATE_SETUP;
	move_begin(move, MOVE_UNIX);
	assert_int_equal(ramjet_wait(move->outgoing, -1, NULL), -ECANCELED);
	assert_int_equal(cancel_at.times, 1);
	(void)ramjet_cancel(move->incoming);
	move_await(move);
	move_expect_stayed(move);
	assert_true(move->target_rc == -ECANCELED ||
		    move->target_rc == -ECONNABORTED);
	small_vm_expect_states(&move->source, "setup cancelling cancelled");
	move_expect_movable(move);
}

static void the_target_cancels_while_nobody_has_come(void **state)
{
	struct move *move = *state;
	struct ramjet_error err = { 0 };

	move_init(move, &move_machine);
	move_listen(move);
	assert_int_equal(ramjet_wait(move->incoming, 0, &err), -ETIMEDOUT);
	assert_int_equal(ramjet_cancel(move->incoming), 0);
	assert_int_equal(ramjet_wait(move->incoming, -1, &err), -ECANCELED);
	assert_int_equal(ramjet_switchover(move->incoming), -EPERM);
	ramjet_migration_free(move->incoming);
	move->incoming = NULL;
	small_vm_expect_last(&move->target, RAMJET_STATE_CANCELLED);
	move_expect_movable(move);
}

static void a_handle_freed_while_active_is_cancelled(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	move->source_params.hold = true;
	move_begin(move, MOVE_UNIX);
	small_vm_await_state(&move->source, RAMJET_STATE_HELD);
	ramjet_migration_free(move->outgoing);
	move->outgoing = NULL;
	assert_true(atomic_load(&move->source.running));
	small_vm_expect_states(&move->source,
			       "setup active held cancelling cancelled");
	assert_int_equal(ramjet_wait(move->incoming, -1, NULL), -ECONNABORTED);
	ramjet_migration_free(move->incoming);
	move->incoming = NULL;
	move->source_params.hold = false;
	move_expect_movable(move);
}

/* There is no way back: the call says so, and the migration goes on. */
static void run_too_late(struct move *move, bool by_source)
{
	move_init(move, &move_machine);
	canceller(move, by_source)->on_state = cancel_in_state;
	cancel_at.state = RAMJET_STATE_COMMITTED;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	assert_int_equal(cancel_at.times, 1);
	assert_int_equal(cancel_at.rc, -EALREADY);
	move_expect_done(move);
	small_vm_expect_last(&move->source, RAMJET_STATE_COMPLETED);
	small_vm_expect_last(&move->target, RAMJET_STATE_COMPLETED);
	move_done(move);
}

static void after_the_commit_nothing_can_be_cancelled(void **state)
{
	run_too_late(*state, true);
	run_too_late(*state, false);
}

/* The other side only sees the stream end. */
static void a_stream_cut_by_a_cancel_is_not_taken(void **state)
{
	static const enum move_over overs[] = { MOVE_SOCKETPAIR, MOVE_PIPE };
	static const enum vm_call calls[] = { VM_STOP, VM_SAVE };
	struct move *move = *state;

	for (unsigned i = 0; i < 4; i++) {
		move_init(move, &move_machine);
		canceller(move, true)->on_call = cancel_in_call;
		cancel_at.call = calls[i / 2];
		move_begin(move, overs[i % 2]);
		move_await(move);
		assert_int_equal(move->source_rc, -ECANCELED);
		move_expect_stayed(move);
		small_vm_expect_last(&move->source, RAMJET_STATE_CANCELLED);
		small_vm_expect_last(&move->target, RAMJET_STATE_FAILED);
		move_expect_movable(move);
		move_done(move);
	}
}

static void begin_into(struct move *move, const char *command)
{
	struct ramjet_error err = { 0 };
	char uri[128];

	(void)snprintf(uri, sizeof(uri), "exec:%s", command);
	move_init(move, &move_machine);
	move->source_params.reply_timeout_ms = 0;
	if (ramjet_migrate(move->source.guest, uri, &move->source_params,
			   &move->outgoing, &err))
		fail_msg("%s", err.message);
	small_vm_await_state(&move->source, RAMJET_STATE_COMMITTED);
}

/* It has the whole stream, and may have used it. */
static void a_cancel_ends_the_wait_for_a_command_that_never_ends(void **state)
{
	struct move *move = *state;
	struct ramjet_error err;

	begin_into(move, "cat > /dev/null; exec sleep 100000");
	assert_int_equal(ramjet_cancel(move->outgoing), 0);
	assert_int_equal(ramjet_wait(move->outgoing, -1, &err), -ECANCELED);
	assert_non_null(strstr(err.message, "unconfirmed"));
	small_vm_expect_last(&move->source, RAMJET_STATE_UNCONFIRMED);
	assert_false(atomic_load(&move->source.running));
	assert_int_equal(ramjet_cancel(move->outgoing), -EALREADY);
}

static void a_handle_freed_while_a_command_runs_is_unconfirmed(void **state)
{
	struct move *move = *state;

	begin_into(move, "cat > /dev/null; exec sleep 100000");
	ramjet_migration_free(move->outgoing);
	move->outgoing = NULL;
	small_vm_expect_last(&move->source, RAMJET_STATE_UNCONFIRMED);
	assert_false(atomic_load(&move->source.running));
}

/* The guest has powered itself off: that is what both sides are to read. */
static void power_off_when_held(struct small_vm *vm, enum ramjet_state state)
{
	struct move *move = vm->user;

	if (state != RAMJET_STATE_HELD)
		return;
	cancel_at.rc = ramjet_cancel_reason(move_handle(move, vm),
					    "the guest powered itself off");
	/* The first one stays. */
	cancel_at.rc |= ramjet_cancel_reason(move_handle(move, vm), "later");
	cancel_at.rc |= ramjet_cancel(move_handle(move, vm));
	cancel_at.times++;
}

static void both_sides_read_why_it_was_cancelled(void **state)
{
	struct move *move = *state;
	struct small_vm *vm;

	move_init(move, &move_machine);
	vm = canceller(move, true);
	vm->on_state = power_off_when_held;
	move->source_params.hold = true;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	assert_int_equal(cancel_at.times, 1);
	assert_int_equal(cancel_at.rc, 0);
	move_expect_stayed(move);
	small_vm_expect_last(&move->source, RAMJET_STATE_CANCELLED);
	small_vm_expect_last(&move->target, RAMJET_STATE_FAILED);
	move_expect_error(&move->source_err, -ECANCELED,
			  "cancelled: the guest powered itself off");
	move_expect_error(&move->target_err, -ECANCELED,
			  "source: migration: cancelled: the guest powered "
			  "itself off");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(both_sides_read_why_it_was_cancelled),
		MOVE_TEST(the_source_cancels_while_active),
		MOVE_TEST(the_source_cancels_while_held),
		MOVE_TEST(the_source_cancels_as_the_switchover_begins),
		MOVE_TEST(the_source_cancels_while_its_guest_stops),
		MOVE_TEST(the_source_cancels_while_its_devices_are_saved),
		MOVE_TEST(the_target_cancels_while_active),
		MOVE_TEST(the_target_cancels_as_the_switchover_begins),
		MOVE_TEST(the_target_cancels_while_its_devices_are_loaded),
		MOVE_TEST(the_source_cancels_before_it_has_connected),
		MOVE_TEST(the_target_cancels_while_nobody_has_come),
		MOVE_TEST(a_handle_freed_while_active_is_cancelled),
		MOVE_TEST(after_the_commit_nothing_can_be_cancelled),
		MOVE_TEST(a_stream_cut_by_a_cancel_is_not_taken),
		MOVE_TEST(a_cancel_ends_the_wait_for_a_command_that_never_ends),
		MOVE_TEST(a_handle_freed_while_a_command_runs_is_unconfirmed),
	};

	return cmocka_run_group_tests_name("migration cancel", tests, NULL,
					   NULL);
}
