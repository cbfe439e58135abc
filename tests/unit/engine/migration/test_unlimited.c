/* SPDX-License-Identifier: BSD-3-Clause */
/* What limits, limits nothing when it is 0 (docs/decisions/035-zero.md). */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/engine/move.h"

static void lift(struct ramjet_params *params)
{
	params->bandwidth_bytes_per_s = 0;
	params->downtime_limit_us = 0;
	params->connect_timeout_ms = 0;
	params->reply_timeout_ms = 0;
	params->state_bytes_max = 0;
	params->stall_timeout_ms = 0;
	params->total_timeout_ms = 0;
	params->switchover_timeout_us = 0;
	params->throttle_max_percent = 0;
}

static void a_guest_moves_without_any_limit(void **state)
{
	static const enum move_over ways[] = { MOVE_UNIX, MOVE_SOCKETPAIR,
					       MOVE_PIPE };
	struct move *move = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(ways); i++) {
		move_init(move, &move_machine);
		lift(&move->source_params);
		lift(&move->target_params);
		move_begin(move, ways[i]);
		move_await(move);
		move_expect_done(move);
		assert_int_equal(move->info->downtime_limit_us, 0);
		assert_int_equal(move->info->called_off, 0);
		move_done(move);
	}
}

static uint64_t everything(struct small_vm *vm)
{
	return vm->is.bytes[0] / RAMJET_PAGE_BYTES;
}

/* All that is written keeps it from no switchover: any pause will do. */
static void any_pause_will_do(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;

	is.dirty = VM_DIRTY_SCRIPT;
	move_init(move, &is);
	move->source.dirt = everything;
	/* Predicted: 6 s for each round. */
	move->source_params.switchover_bandwidth_bytes_per_s = 1u << 20;
	move->source_params.downtime_limit_us = 0;
	move->source_params.on_no_convergence = RAMJET_NO_CONVERGENCE_FAIL;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_int_equal(move->info->limit_needed_us, 0);
}

/* Lifted while it could not be met. */
static void a_limit_is_lifted_live(void **state)
{
	struct small_vm_options is = move_machine;
	struct ramjet_params params;
	struct move *move = *state;

	is.dirty = VM_DIRTY_SCRIPT;
	move_init(move, &is);
	move->source.dirt = everything;
	move->source_params.switchover_bandwidth_bytes_per_s = 1u << 20;
	move->source_params.downtime_limit_us = 1;
	move_begin(move, MOVE_UNIX);
	small_vm_await_state(&move->source, RAMJET_STATE_ACTIVE);
	params = move->source_params;
	params.downtime_limit_us = 0;
	assert_int_equal(ramjet_set_params(move->outgoing, &params, NULL), 0);
	move_await(move);
	move_expect_done(move);
}

/* More than a limit of 1 byte, on either side, and of the streams as well. */
static void device_state_has_no_limit(void **state)
{
	struct move *move = *state;

	for (unsigned side = 0; side < 3; side++) {
		move_init(move, &move_machine);
		move->source_params.state_bytes_max = side != 1;
		move->target_params.state_bytes_max = side != 2;
		move_begin(move, MOVE_UNIX);
		move_await(move);
		move_expect_stayed(move);
		move_expect_error(&move->source_err, -EMSGSIZE, "");
		move_done(move);
	}
	move_init(move, &move_machine);
	move->source_params.state_bytes_max = 0;
	move->target_params.state_bytes_max = 0;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
}

/* A struct of zeros, but its size, has no limit at all; what has a default for
 * 0 says so. */
static void zeros_are_taken(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	move->source_params = (struct ramjet_params){
		.size = sizeof(struct ramjet_params),
		.cancel_fd = -1,
	};
	move->target_params = move->source_params;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(a_guest_moves_without_any_limit),
		MOVE_TEST(any_pause_will_do),
		MOVE_TEST(a_limit_is_lifted_live),
		MOVE_TEST(device_state_has_no_limit),
		MOVE_TEST(zeros_are_taken),
	};

	return cmocka_run_group_tests_name("unlimited", tests, NULL, NULL);
}
