/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guests that write more than fits, and what is done about it. The dirt is
 * scripted and the capacity given, so that predictions do not depend on this
 * machine: at 1 MiB/s the 6 MiB of block 0 take 6 s, and a limit of 2 s is met
 * only while next to nothing is dirty.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/migration/migration.h"
#include "tests/unit/engine/move.h"

#define ALL_PAGES 1536u /* of block 0 */
#define LIMIT_US  2000000u

static void begin(struct move *move, uint64_t (*dirt)(struct small_vm *vm))
{
	struct small_vm_options is = move_machine;

	is.dirty = VM_DIRTY_SCRIPT;
	move_init(move, &is);
	move->source.dirt = dirt;
	move->source_params.downtime_limit_us = LIMIT_US;
	move->source_params.switchover_bandwidth_bytes_per_s = 1u << 20;
}

static uint64_t always(struct small_vm *vm)
{
	(void)vm;
	return ALL_PAGES;
}

static uint64_t unless_throttled(struct small_vm *vm)
{
	return atomic_load(&vm->throttle) < 40 ? ALL_PAGES : 0;
}

static uint64_t when_stopped(struct small_vm *vm)
{
	/* Running means again: only the first stop reveals it. */
	return !atomic_load(&vm->running) && small_vm_calls(vm, VM_STOP) == 1
		       ? ALL_PAGES
		       : 0;
}

/* ---- hold -------------------------------------------------------------------- */

static void a_held_migration_waits_until_it_is_told(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	move->source_params.hold = true;
	move_begin(move, MOVE_UNIX);
	small_vm_await_state(&move->source, RAMJET_STATE_HELD);
	assert_int_equal(ramjet_wait(move->outgoing, 0, NULL), -ETIMEDOUT);
	assert_true(atomic_load(&move->source.running));
	assert_int_equal(ramjet_migration_state(move->incoming),
			 RAMJET_STATE_ACTIVE);
	assert_int_equal(ramjet_switchover(move->incoming), -EPERM);
	assert_int_equal(ramjet_switchover(move->outgoing), 0);
	move_await(move);
	move_expect_done(move);
	small_vm_expect_last(&move->source, RAMJET_STATE_COMPLETED);
}

static void told_beforehand_it_does_not_hold(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	move->source_params.hold = true;
	move_listen(move);
	move_send(move);
	assert_int_equal(ramjet_switchover(move->outgoing), 0);
	move_await(move);
	move_expect_done(move);
	assert_int_equal(ramjet_switchover(NULL), -EINVAL);
}

static void let_go_when_held(struct small_vm *vm, enum ramjet_state state)
{
	struct move *move = vm->user;
	struct ramjet_params params = move->source_params;

	params.hold = false;
	if (state == RAMJET_STATE_HELD)
		(void)ramjet_set_params(move_handle(move, vm), &params, NULL);
}

static void parameters_changed_live_end_a_hold(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	move->source.on_state = let_go_when_held;
	move->source_params.hold = true;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
}

static uint64_t once_after_six(struct small_vm *vm)
{
	return small_vm_calls(vm, VM_COLLECT) == 6 ? ALL_PAGES : 0;
}

static void let_go_when_active_again(struct small_vm *vm,
				     enum ramjet_state state)
{
	struct move *move = vm->user;

	if (state == RAMJET_STATE_ACTIVE && small_vm_calls(vm, VM_COLLECT) >= 6)
		(void)ramjet_switchover(move_handle(move, vm));
}

static void held_is_left_when_the_pause_no_longer_fits(void **state)
{
	struct move *move = *state;

	begin(move, once_after_six);
	move->source.on_state = let_go_when_active_again;
	move->source_params.hold = true;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	small_vm_expect_states(
		&move->source,
		"setup active held active switchover committed completed");
}

/* ---- parameters --------------------------------------------------------------- */

static void only_live_parameters_change_live(void **state)
{
	struct move *move = *state;
	struct ramjet_params params;
	struct ramjet_error err = { 0 };

	move_init(move, &move_machine);
	move->source_params.hold = true;
	move_begin(move, MOVE_UNIX);
	params = move->source_params;
	params.channels = 2;
	assert_int_equal(ramjet_set_params(move->outgoing, &params, &err),
			 -EINVAL);
	assert_string_equal(err.message,
			    "parameters: channels does not change live");
	params = move->source_params;
	params.verify = false;
	assert_int_equal(ramjet_set_params(move->outgoing, &params, NULL),
			 -EINVAL);
	params = move->source_params;
	params.strict = true;
	assert_int_equal(ramjet_set_params(move->outgoing, &params, NULL),
			 -EINVAL);
	params = move->source_params;
	params.state_bytes_max--;
	assert_int_equal(ramjet_set_params(move->outgoing, &params, NULL),
			 -EINVAL);
	params = move->source_params;
	params.downtime_limit_us = 12345678;
	params.bandwidth_bytes_per_s = UINT64_C(1) << 40;
	params.hold = false;
	assert_int_equal(ramjet_set_params(move->outgoing, &params, NULL), 0);
	assert_int_equal(ramjet_wait(move->outgoing, -1, NULL), 0);
	assert_int_equal(ramjet_set_params(move->outgoing, &params, NULL),
			 -EALREADY);
	move_await(move);
	move_expect_done(move);
	assert_int_equal(move->info->downtime_limit_us, 12345678);
}

/* What was seen of it while devices were saved. */
static struct {
	int rc;
	uint64_t lifted, back;
} cap_seen;

static void lift_the_cap(struct small_vm *vm, enum vm_call call)
{
	struct move *move = vm->user;
	struct ramjet_params params = move->source_params;
	struct ramjet_migration *handle;

	if (call != VM_SAVE)
		return;
	handle = move_handle(move, vm);
	params.uncapped_switchover = true;
	cap_seen.rc = ramjet_set_params(handle, &params, NULL);
	cap_seen.lifted = atomic_load(&handle->cap_bytes_per_s);
	params.uncapped_switchover = false;
	cap_seen.rc |= ramjet_set_params(handle, &params, NULL);
	cap_seen.back = atomic_load(&handle->cap_bytes_per_s);
}

static void a_cap_is_lifted_for_a_switchover_under_way(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	cap_seen.rc = 1;
	cap_seen.lifted = 1;
	move->source.on_call = lift_the_cap;
	move->source_params.bandwidth_bytes_per_s = UINT64_C(1) << 40;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_int_equal(cap_seen.rc, 0);
	assert_int_equal(cap_seen.lifted, 0);
	assert_int_equal(cap_seen.back, UINT64_C(1) << 40);
}

/* ---- switchovers called off ---------------------------------------------------- */

static void allow_more_once_called_off(struct small_vm *vm,
				       enum ramjet_state state)
{
	struct move *move = vm->user;
	struct ramjet_params params = move->source_params;

	params.downtime_limit_us = 1000000000;
	if (state == RAMJET_STATE_ACTIVE && small_vm_calls(vm, VM_STOP))
		(void)ramjet_set_params(move_handle(move, vm), &params, NULL);
}

static void a_switchover_that_would_overshoot_is_called_off(void **state)
{
	struct move *move = *state;

	begin(move, when_stopped);
	move->source.on_state = allow_more_once_called_off;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_int_equal(move->info->called_off, 1);
	assert_int_equal(small_vm_calls(&move->source, VM_STOP), 2);
	assert_int_equal(small_vm_calls(&move->source, VM_START), 1);
	/* Nothing of it was said to the target. */
	assert_int_equal(small_vm_calls(&move->source, VM_SAVE), 1);
	small_vm_expect_states(&move->source,
			       "setup active switchover active switchover "
			       "committed completed");
	small_vm_expect_states(&move->target,
			       "setup active switchover committed completed");
}

static void refuse_to_start(struct small_vm *vm, enum vm_call call)
{
	if (call == VM_STOP)
		vm->fails[VM_START] = -EIO;
}

static void a_guest_that_cannot_be_called_back_fails_the_migration(void **state)
{
	struct move *move = *state;

	begin(move, when_stopped);
	move->source.on_call = refuse_to_start;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_error(&move->source_err, -EIO, "told to fail");
	small_vm_expect_states(&move->source, "setup active switchover failed");
	/* It is asked once more on the way out. */
	assert_int_equal(small_vm_calls(&move->source, VM_START), 2);
	assert_int_equal(small_vm_calls(&move->target, VM_START), 0);
	assert_false(atomic_load(&move->target.running));
}

/* ---- no convergence -------------------------------------------------------------- */

static void a_migration_that_never_converges_may_fail(void **state)
{
	struct move *move = *state;

	begin(move, always);
	move->source_params.on_no_convergence = RAMJET_NO_CONVERGENCE_FAIL;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, -ETIME, "converge");
	move_expect_error(&move->target_err, -ETIME, "converge");
	assert_int_equal(small_vm_calls(&move->source, VM_STOP), 0);
	assert_int_equal(small_vm_calls(&move->source, VM_THROTTLE), 0);
	small_vm_expect_states(&move->source, "setup active failed");
	move->source_params.downtime_limit_us = 1000000000;
	move_expect_movable(move);
}

static void a_migration_that_never_converges_may_go_anyway(void **state)
{
	struct move *move = *state;

	begin(move, always);
	move->source_params.on_no_convergence = RAMJET_NO_CONVERGENCE_SWITCH;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_int_equal(move->info->called_off, 0);
	assert_int_equal(small_vm_calls(&move->source, VM_STOP), 1);
}

static uint64_t a_little(struct small_vm *vm)
{
	(void)vm;
	return 4;
}

/* What a pipe carries takes a while to be known. */
static void nobody_gives_up_on_a_wire_that_was_not_measured_yet(void **state)
{
	struct move *move = *state;

	begin(move, a_little);
	move->source_params.switchover_bandwidth_bytes_per_s = 0;
	move->source_params.on_no_convergence = RAMJET_NO_CONVERGENCE_FAIL;
	move_begin(move, MOVE_PIPE);
	move_await(move);
	move_expect_done(move);
}

/* Told that the limit is out of reach, allow what is said to do: again, if the
 * machine has become slower. */
static void take_the_advice(void *user, int level, const char *message)
{
	struct move *move = user;
	struct ramjet_params params = move->source_params;
	struct ramjet_info *info = NULL;

	(void)level;
	if (!strstr(message, "out of reach") ||
	    ramjet_info(move_handle(move, &move->source), &info))
		return;
	if (!move->told[0])
		(void)snprintf(move->told, sizeof(move->told), "%s", message);
	params.downtime_limit_us = info->limit_needed_us;
	ramjet_info_free(info);
	(void)ramjet_set_params(move_handle(move, &move->source), &params,
				NULL);
}

static void a_limit_out_of_reach_is_told_with_what_would_do(void **state)
{
	struct move *move = *state;

	begin(move, always);
	move->source_params.log = take_the_advice;
	move->source_params.log_user = move;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_non_null(strstr(move->told, "within 2000.0 ms is out of reach"));
	/* How much more is measured; that it does, the end has shown. */
	assert_true(move->info->downtime_limit_us > 2000000);
	assert_int_equal(move->info->limit_needed_us, 0);
}

/* ---- the worst of estimates ------------------------------------------------------ */

static uint64_t nothing(struct small_vm *vm)
{
	(void)vm;
	return 0;
}

/* At 100 bytes/s the eight channels' fences alone would take seconds, and their
 * acknowledgements are late: but no page waits for them. */
static void an_idle_guest_goes_whatever_is_thought_of_the_wire(void **state)
{
	struct move *move = *state;

	begin(move, nothing);
	move->source_params.switchover_bandwidth_bytes_per_s = 100;
	move->source_params.channels = 8;
	move_begin(move, MOVE_TCP);
	move_await(move);
	move_expect_done(move);
	assert_in_range(move->info->rounds_total, 2, 50);
}

static void widen_when_stuck(struct small_vm *vm, enum vm_call call)
{
	struct move *move = vm->user;
	struct ramjet_params params = move->source_params;

	params.downtime_limit_us = 1000000000;
	if (call == VM_COLLECT && small_vm_calls(vm, VM_COLLECT) == 20)
		(void)ramjet_set_params(move_handle(move, vm), &params, NULL);
}

static void a_longer_pause_allowed_live_ends_the_rounds(void **state)
{
	struct move *move = *state;

	begin(move, always);
	move->source.on_call = widen_when_stuck;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_true(move->info->rounds_total >= 20);
}

/* ---- throttle ---------------------------------------------------------------------- */

/* Held back at 40 %, it is calm: then it is let off again step by step. With
 * `hold` that is to be seen. */
static void a_guest_is_slowed_down_and_let_off_in_steps(void **state)
{
	static const unsigned wanted[] = { 20, 30, 40 };
	struct move *move = *state;

	begin(move, unless_throttled);
	move->source_params.throttle = true;
	move->source_params.hold = true;
	move_begin(move, MOVE_UNIX);
	small_vm_await_state(&move->source, RAMJET_STATE_HELD);
	assert_int_equal(ramjet_switchover(move->outgoing), 0);
	move_await(move);
	move_expect_done(move);
	assert_true(move->source.throttle_count >= 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(move->source.throttles[i], wanted[i]);
}

static void a_throttled_guest_that_has_moved_is_throttled_no_more(void **state)
{
	struct move *move = *state;

	begin(move, unless_throttled);
	move->source_params.throttle = true;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_true(atomic_load(&move->source.throttle) >= 40);
	assert_int_equal(move->info->throttle_percent, 0);
	assert_true(move->info->throttled_us > 0);
}

static uint64_t dirt_until_calm(struct small_vm *vm)
{
	/* Once slowed down to 40 %, it has nothing more to write. */
	return small_vm_calls(vm, VM_THROTTLE) < 3 ? ALL_PAGES : 0;
}

static void switch_when_let_off(struct small_vm *vm, enum vm_call call)
{
	struct move *move = vm->user;

	if (call == VM_THROTTLE && small_vm_calls(vm, VM_THROTTLE) == 6)
		(void)ramjet_switchover(move_handle(move, vm));
}

static void the_throttle_goes_down_when_the_guest_calms_down(void **state)
{
	static const unsigned wanted[] = { 20, 30, 40, 30, 20, 0 };
	struct move *move = *state;

	begin(move, dirt_until_calm);
	move->source.on_call = switch_when_let_off;
	move->source_params.throttle = true;
	move->source_params.hold = true;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_int_equal(move->source.throttle_count, 6);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(move->source.throttles[i], wanted[i]);
	assert_int_equal(move->info->throttle_percent, 0);
}

static void the_throttle_is_lifted_when_a_migration_fails(void **state)
{
	struct move *move = *state;

	begin(move, always);
	move->source_params.throttle = true;
	move->source_params.throttle_initial_percent = 50;
	move->source_params.throttle_step_percent = 25;
	move->source_params.throttle_max_percent = 90;
	move->source_params.on_no_convergence = RAMJET_NO_CONVERGENCE_FAIL;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	assert_int_equal(move->source_rc, -ETIME);
	assert_int_equal(move->source.throttle_count, 4);
	assert_int_equal(move->source.throttles[0], 50);
	assert_int_equal(move->source.throttles[1], 75);
	assert_int_equal(move->source.throttles[2], 90);
	assert_int_equal(move->source.throttles[3], 0);
}

static void a_throttle_that_fails_ends_the_migration(void **state)
{
	struct move *move = *state;

	begin(move, always);
	move->source_params.throttle = true;
	move->source.fails[VM_THROTTLE] = -EIO;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, -EIO, "told to fail");
	move->source_params.throttle = false;
	move->source_params.downtime_limit_us = 1000000000;
	move_expect_movable(move);
}

/* ---- time ---------------------------------------------------------------------------- */

static void a_migration_may_have_a_total_time(void **state)
{
	struct move *move = *state;

	begin(move, always);
	move->source_params.total_timeout_ms = 100;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, -ETIMEDOUT, "100 ms");
	move_expect_error(&move->target_err, -ETIMEDOUT, "100 ms");
	move->source_params.total_timeout_ms = 0;
	move->source_params.downtime_limit_us = 1000000000;
	move_expect_movable(move);
}

static void a_hold_has_no_more_time_than_that(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	move->source_params.hold = true;
	move->source_params.total_timeout_ms = 300;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, -ETIMEDOUT, "300 ms");
	move->source_params.hold = false;
	move->source_params.total_timeout_ms = 0;
	move_expect_movable(move);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(a_held_migration_waits_until_it_is_told),
		MOVE_TEST(told_beforehand_it_does_not_hold),
		MOVE_TEST(parameters_changed_live_end_a_hold),
		MOVE_TEST(held_is_left_when_the_pause_no_longer_fits),
		MOVE_TEST(only_live_parameters_change_live),
		MOVE_TEST(a_cap_is_lifted_for_a_switchover_under_way),
		MOVE_TEST(a_switchover_that_would_overshoot_is_called_off),
		MOVE_TEST(
			a_guest_that_cannot_be_called_back_fails_the_migration),
		MOVE_TEST(a_migration_that_never_converges_may_fail),
		MOVE_TEST(a_migration_that_never_converges_may_go_anyway),
		MOVE_TEST(nobody_gives_up_on_a_wire_that_was_not_measured_yet),
		MOVE_TEST(a_limit_out_of_reach_is_told_with_what_would_do),
		MOVE_TEST(an_idle_guest_goes_whatever_is_thought_of_the_wire),
		MOVE_TEST(a_longer_pause_allowed_live_ends_the_rounds),
		MOVE_TEST(a_guest_is_slowed_down_and_let_off_in_steps),
		MOVE_TEST(
			a_throttled_guest_that_has_moved_is_throttled_no_more),
		MOVE_TEST(the_throttle_goes_down_when_the_guest_calms_down),
		MOVE_TEST(the_throttle_is_lifted_when_a_migration_fails),
		MOVE_TEST(a_throttle_that_fails_ends_the_migration),
		MOVE_TEST(a_migration_may_have_a_total_time),
		MOVE_TEST(a_hold_has_no_more_time_than_that),
	};

	return cmocka_run_group_tests_name("migration limits", tests, NULL,
					   NULL);
}
