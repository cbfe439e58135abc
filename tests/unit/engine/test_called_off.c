/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that runs on after its switchover was called off goes on being
 * tracked. That it is called off is scripted, as in test_limits.c; what it writes
 * is real. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>

#include "tests/unit/engine/move.h"
#include "util/compiler.h"

/* At 1 MiB/s these take 6 s, three times the limit. */
#define ALL_PAGES 1536u
#define LIMIT_US  2000000u

static uint64_t when_stopped_first(struct small_vm *vm)
{
	return !atomic_load(&vm->running) && small_vm_calls(vm, VM_STOP) == 1
		       ? ALL_PAGES
		       : 0;
}

static void allow_more_once_called_off(struct small_vm *vm,
				       enum ramjet_state state)
{
	struct move *move = vm->user;
	struct ramjet_params params = move->source_params;

	params.downtime_limit_us = 1000000000;
	if (state == RAMJET_STATE_ACTIVE && small_vm_calls(vm, VM_STOP))
		(void)ramjet_set_params(move_handle(move, vm), &params, NULL);
}

/* Written at each collect, and when the guest has stopped. */
RJ_GUEST_MEMORY static void write_on(struct small_vm *vm, enum vm_call call)
{
	uint8_t *at = vm->ram[0].host + 100 * RAMJET_PAGE_BYTES;

	if (call == VM_COLLECT || call == VM_STOP)
		(*at)++;
}

/* The last collect, of a guest that is stopped, protects nothing. */
static void what_is_written_after_a_call_off_is_sent(void **state)
{
	struct move *move = *state;
	struct ramjet_dirty_source *pagemap = NULL;
	struct small_vm_options is = move_machine;

	is.dirty = VM_DIRTY_SCRIPT;
	move_init(move, &is);
	move->source.dirt = when_stopped_first;
	move->source_params.downtime_limit_us = LIMIT_US;
	move->source_params.switchover_bandwidth_bytes_per_s = 1u << 20;
	assert_int_equal(ramjet_dirty_pagemap_new(&pagemap, NULL), 0);
	assert_int_equal(ramjet_guest_add_dirty_source(move->source.guest,
						       pagemap, NULL),
			 0);
	move->source.on_call = write_on;
	move->source.on_state = allow_more_once_called_off;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	if (move->source_rc == -EOPNOTSUPP || move->source_rc == -EPERM) {
		printf("# skipped: %s\n", move->source_err.message);
		skip();
	}
	move_expect_done(move);
	assert_int_equal(move->info->called_off, 1);
	assert_true(move->info->verified);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(what_is_written_after_a_call_off_is_sent),
	};

	return cmocka_run_group_tests_name("called_off", tests, NULL, NULL);
}
