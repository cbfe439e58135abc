/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations that fail, guests that do not match: who runs afterwards, and
 * what both sides say. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/engine/move.h"

/* Fails on the source; the target hears of it. */
static void run_failing_source(struct move *move, enum vm_call call,
			       enum vm_dirty dirty)
{
	struct small_vm_options is = move_machine;

	is.dirty = dirty;
	move_init(move, &is);
	move->source.fails[call] = -EIO;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, -EIO, "source: told to fail");
	move_expect_error(&move->target_err, -EIO, "source: told to fail");
	small_vm_expect_last(&move->source, RAMJET_STATE_FAILED);
	small_vm_expect_last(&move->target, RAMJET_STATE_FAILED);
}

static void a_guest_that_does_not_stop_runs_on(void **state)
{
	struct move *move = *state;

	run_failing_source(move, VM_STOP, VM_DIRTY_SHARED);
	/* It may have stopped by half. */
	assert_int_equal(small_vm_calls(&move->source, VM_START), 1);
	assert_int_equal(small_vm_calls(&move->source, VM_SAVE), 0);
	move_expect_movable(move);
}

static void a_guest_whose_devices_cannot_be_saved_runs_on(void **state)
{
	struct move *move = *state;

	run_failing_source(move, VM_SAVE, VM_DIRTY_SHARED);
	assert_int_equal(small_vm_calls(&move->source, VM_START), 1);
	assert_int_equal(small_vm_calls(&move->target, VM_LOAD), 0);
	move_expect_movable(move);
}

static void tracking_that_does_not_start_is_stopped_all_the_same(void **state)
{
	struct move *move = *state;

	run_failing_source(move, VM_TRACK, VM_DIRTY_SCRIPT);
	/* Before the first round nothing has been told from the rest. */
	assert_true(move->info->ram_total_bytes > 0);
	assert_int_equal(move->info->ram_remaining_bytes,
			 move->info->ram_total_bytes);
	assert_int_equal(small_vm_calls(&move->source, VM_STOP), 0);
	assert_int_equal(small_vm_calls(&move->source, VM_COLLECT), 0);
	assert_int_equal(small_vm_calls(&move->source, VM_UNTRACK), 1);
	move_expect_movable(move);
}

static void a_collect_that_fails_ends_the_migration(void **state)
{
	struct move *move = *state;

	run_failing_source(move, VM_COLLECT, VM_DIRTY_SCRIPT);
	assert_int_equal(small_vm_calls(&move->source, VM_STOP), 0);
	assert_int_equal(small_vm_calls(&move->source, VM_COLLECT), 1);
	assert_int_equal(small_vm_calls(&move->source, VM_UNTRACK), 1);
	move_expect_movable(move);
	assert_int_equal(small_vm_calls(&move->source, VM_UNTRACK), 2);
}

static void fail_last_collect(struct small_vm *vm, enum vm_call call)
{
	if (call == VM_STOP)
		vm->fails[VM_COLLECT] = -EIO;
}

static void a_last_collect_that_fails_lets_the_guest_run_on(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;

	is.dirty = VM_DIRTY_SCRIPT;
	move_init(move, &is);
	move->source.on_call = fail_last_collect;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	assert_int_equal(small_vm_calls(&move->source, VM_START), 1);
	move_expect_error(&move->source_err, -EIO, "told to fail");
	move_expect_movable(move);
}

static void a_target_that_cannot_load_says_why(void **state)
{
	static const enum move_over overs[] = { MOVE_UNIX, MOVE_TCP,
						MOVE_SOCKETPAIR };
	struct move *move = *state;

	for (unsigned i = 0; i < 3; i++) {
		move_init(move, &move_machine);
		move->target.fails[VM_LOAD] = -ENOSYS;
		move_begin(move, overs[i]);
		move_await(move);
		move_expect_stayed(move);
		assert_int_equal(small_vm_calls(&move->source, VM_START), 1);
		/* It was for nothing, and is told all the same. */
		assert_true(move->info->downtime_us > 0);
		move_expect_error(&move->target_err, -ENOSYS,
				  "target: told to fail");
		move_expect_error(&move->source_err, -ENOSYS,
				  "target: told to fail");
		small_vm_expect_states(&move->source,
				       "setup active switchover failed");
		small_vm_expect_states(&move->target,
				       "setup active switchover failed");
		move_expect_movable(move);
		move_done(move);
	}
}

/* One way, nobody can be told: the stream was taken, that is all. */
static void a_reader_that_cannot_load_does_not_start(void **state)
{
	struct move *move = *state;

	for (unsigned i = 0; i < 2; i++) {
		move_init(move, &move_machine);
		move->target.fails[VM_LOAD] = -ENOSYS;
		move_begin(move, i ? MOVE_FILE : MOVE_PIPE);
		move_await(move);
		assert_int_equal(small_vm_calls(&move->target, VM_START), 0);
		move_expect_error(&move->target_err, -ENOSYS, "told to fail");
		small_vm_expect_last(&move->target, RAMJET_STATE_FAILED);
		move_done(move);
	}
}

/* After COMMIT the guest is the target's: the source must not take it back. */
static void a_target_that_does_not_start_leaves_it_to_a_person(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	move->target.fails[VM_START] = -EIO;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	assert_false(atomic_load(&move->source.running));
	assert_false(atomic_load(&move->target.running));
	assert_int_equal(small_vm_calls(&move->source, VM_START), 0);
	assert_int_equal(small_vm_calls(&move->target, VM_START), 1);
	move_expect_error(&move->target_err, -EIO, "told to fail");
	move_expect_error(&move->source_err, -EIO, "told to fail");
	assert_non_null(strstr(move->source_err.message, "unconfirmed"));
	small_vm_expect_states(&move->source,
			       "setup active switchover committed unconfirmed");
	small_vm_expect_states(&move->target,
			       "setup active switchover committed failed");
	/* Whoever knows both sides may start it, and move it again. */
	small_vm_power_on(&move->source);
	move->target.fails[VM_START] = 0;
	atomic_store(&move->target.calls[VM_START], 0);
	move_expect_movable(move);
}

static void a_source_that_does_not_start_again_says_so_and_why(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	move->target.fails[VM_LOAD] = -ENOSYS;
	move->source.fails[VM_START] = -EIO;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	assert_int_equal(small_vm_calls(&move->source, VM_START), 1);
	assert_false(atomic_load(&move->source.running));
	assert_false(atomic_load(&move->target.running));
	/* Nothing runs now: a person must hear both. */
	assert_int_equal(move->source_err.code, move->source_rc);
	assert_non_null(strstr(move->source_err.message, "START AGAIN"));
	assert_non_null(
		strstr(move->source_err.message, "source: told to fail"));
	assert_non_null(
		strstr(move->source_err.message, "target: told to fail"));
	small_vm_expect_last(&move->source, RAMJET_STATE_FAILED);
}

/* ---- what does not fit together ------------------------------------------- */

static void run_mismatch(struct move *move,
			 const struct small_vm_options *source,
			 const struct small_vm_options *target, int code,
			 const char *part, const char *part_too)
{
	move_init_two(move, source, target);
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	assert_int_equal(small_vm_calls(&move->source, VM_STOP),
			 small_vm_calls(&move->source, VM_START));
	move_expect_error(&move->source_err, code, part);
	move_expect_error(&move->target_err, code, part);
	move_expect_error(&move->source_err, code, part_too);
	move_expect_error(&move->target_err, code, part_too);
	move_done(move);
}

static void blocks_that_differ_are_named_with_both_values(void **state)
{
	const struct small_vm_options usual = { .bytes = { 4u << 20,
							   2u << 20 } };
	const struct small_vm_options longer = { .bytes = { 4u << 20,
							    3u << 20 } };
	const struct small_vm_options fewer = { .bytes = { 4u << 20 } };
	struct move *move = *state;

	run_mismatch(move, &usual, &longer, -EINVAL, "ram1", "2097152");
	run_mismatch(move, &usual, &longer, -EINVAL, "2097152", "3145728");
	run_mismatch(move, &longer, &usual, -EINVAL, "2097152", "3145728");
	run_mismatch(move, &usual, &fewer, -EINVAL, "ram1", "target");
	run_mismatch(move, &fewer, &usual, -EINVAL, "ram1", "source");
}

static void both_sides_must_have_device_state_or_neither(void **state)
{
	struct small_vm_options with = move_machine, without = move_machine;
	struct move *move = *state;

	without.state_bytes = 0;
	run_mismatch(move, &with, &without, -EOPNOTSUPP, "device state",
		     "5000");
	run_mismatch(move, &without, &with, -EPROTO, "device state", "none");
}

static void device_state_has_a_limit_on_either_side(void **state)
{
	struct move *move = *state;

	for (unsigned i = 0; i < 2; i++) {
		move_init(move, &move_machine);
		if (i)
			move->source_params.state_bytes_max = 4999;
		else
			move->target_params.state_bytes_max = 4999;
		move_begin(move, MOVE_UNIX);
		move_await(move);
		move_expect_stayed(move);
		move_expect_error(&move->source_err, -EMSGSIZE, "4999");
		move_expect_error(&move->target_err, -EMSGSIZE, "4999");
		move_done(move);
		move_init(move, &move_machine);
		move->source_params.state_bytes_max = 5000;
		move->target_params.state_bytes_max = 5000;
		move_expect_movable(move);
		move_done(move);
	}
}

static void expect_path(const struct ramjet_info *info, const char *name,
			const char *chosen, const char *reason)
{
	for (size_t i = 0; i < info->fast_path_count; i++) {
		const struct ramjet_fast_path_info *path =
			RAMJET_AT(info->fast_paths, i);

		if (strcmp(path->name, name))
			continue;
		assert_string_equal(path->chosen, chosen);
		assert_string_equal(path->reason, reason);
		return;
	}
	fail_msg("nothing is said of %s", name);
}

static void a_target_may_allow_fewer_channels(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	move->source_params.channels = 4;
	move->target_params.channels = 2;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_int_equal(move->info->channel_count, 2);
	assert_int_equal(move->target_info->channel_count, 2);
	expect_path(move->info, "channels", "2",
		    "asked for 4, the target takes no more");
}

/* Nobody reported this write: the digests tell. */
static void write_unseen(struct small_vm *vm, enum vm_call call)
{
	struct move *move = vm->user;

	/* By now page 0 has gone out, in round 0. */
	if (call != VM_COLLECT || small_vm_calls(vm, VM_COLLECT) != 4)
		return;
	guarded_fill(&vm->ram[0], 0, 4711);
	(void)ramjet_switchover(move_handle(move, vm));
}

static void a_write_nobody_reported_is_found_by_the_digests(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;

	is.dirty = VM_DIRTY_SCRIPT;
	move_init(move, &is);
	move->source.on_call = write_unseen;
	move->source_params.hold = true;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	assert_int_equal(small_vm_calls(&move->source, VM_START), 1);
	assert_int_equal(small_vm_calls(&move->target, VM_LOAD), 0);
	move_expect_error(&move->target_err, -EBADMSG,
			  "block ram0 differs in page 0; a dirty source may "
			  "miss writes");
	move_expect_error(&move->source_err, -EBADMSG,
			  "block ram0 differs in page 0; a dirty source may "
			  "miss writes");
	assert_false(move->info->verified);
	move->source_params.hold = false;
	move_expect_movable(move);
}

/* ---- blockers --------------------------------------------------------------- */

static void blockers_refuse_the_start_with_all_reasons(void **state)
{
	struct ramjet_migration *out = NULL;
	struct ramjet_error err = { 0 };
	struct move *move = *state;
	struct ramjet_guest *guest;

	move_init(move, &move_machine);
	guest = move->source.guest;
	assert_int_equal(ramjet_guest_add_blocker(guest, "a passed disk", NULL),
			 0);
	assert_int_equal(ramjet_guest_add_blocker(guest, "nested", NULL), 0);
	assert_int_equal(ramjet_guest_add_blocker(guest, "nested", NULL), 0);
	assert_int_equal(
		ramjet_migrate(guest, "unix:/nowhere", NULL, &out, &err),
		-EPERM);
	move_expect_error(&err, -EPERM, "a passed disk");
	move_expect_error(&err, -EPERM, "nested");
	assert_null(out);
	assert_int_equal(ramjet_guest_del_blocker(guest, "a passed disk"), 0);
	assert_int_equal(ramjet_guest_del_blocker(guest, "nested"), 0);
	assert_int_equal(
		ramjet_migrate(guest, "unix:/nowhere", NULL, &out, &err),
		-EPERM);
	assert_null(strstr(err.message, "a passed disk"));
	assert_int_equal(ramjet_guest_del_blocker(guest, "nested"), 0);
	assert_int_equal(ramjet_guest_del_blocker(guest, "nested"), -ENOENT);
	move_expect_movable(move);
}

static void block_in_state(struct small_vm *vm, enum ramjet_state state)
{
	if (state == RAMJET_STATE_ACTIVE)
		(void)ramjet_guest_add_blocker(vm->guest, "plugged in late",
					       NULL);
}

static void a_blocker_that_comes_late_refuses_the_switchover(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	move->source.on_state = block_in_state;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	assert_int_equal(small_vm_calls(&move->source, VM_STOP), 0);
	move_expect_error(&move->source_err, -EPERM, "plugged in late");
	move_expect_error(&move->target_err, -EPERM, "plugged in late");
	assert_int_equal(
		ramjet_guest_del_blocker(move->source.guest, "plugged in late"),
		0);
	move_expect_movable(move);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(a_guest_that_does_not_stop_runs_on),
		MOVE_TEST(a_guest_whose_devices_cannot_be_saved_runs_on),
		MOVE_TEST(tracking_that_does_not_start_is_stopped_all_the_same),
		MOVE_TEST(a_collect_that_fails_ends_the_migration),
		MOVE_TEST(a_last_collect_that_fails_lets_the_guest_run_on),
		MOVE_TEST(a_target_that_cannot_load_says_why),
		MOVE_TEST(a_reader_that_cannot_load_does_not_start),
		MOVE_TEST(a_target_that_does_not_start_leaves_it_to_a_person),
		MOVE_TEST(a_source_that_does_not_start_again_says_so_and_why),
		MOVE_TEST(blocks_that_differ_are_named_with_both_values),
		MOVE_TEST(both_sides_must_have_device_state_or_neither),
		MOVE_TEST(device_state_has_a_limit_on_either_side),
		MOVE_TEST(a_target_may_allow_fewer_channels),
		MOVE_TEST(a_write_nobody_reported_is_found_by_the_digests),
		MOVE_TEST(blockers_refuse_the_start_with_all_reasons),
		MOVE_TEST(a_blocker_that_comes_late_refuses_the_switchover),
	};

	return cmocka_run_group_tests_name("migration faults", tests, NULL,
					   NULL);
}
