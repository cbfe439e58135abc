/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole guests move whose memory is reached by operations: at the source, at the
 * target, at both. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/engine/move.h"

static struct small_vm_options machine(const struct ramjet_memory_ops *memory,
				       bool fresh)
{
	struct small_vm_options is = move_machine;

	is.memory = memory;
	is.fresh = fresh;
	return is;
}

/* At least as many pages as came; and far fewer calls. */
static void expect_batches(const struct small_vm *vm, enum ops_call call)
{
	uint64_t pages = 0;
	unsigned calls = 0;

	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++) {
		pages += atomic_load(&vm->own[i].pages[call]);
		calls += atomic_load(&vm->own[i].calls[call]);
	}
	print_message("# %llu pages, %u calls\n", (unsigned long long)pages,
		      calls);
	assert_true(calls > 0 && pages > 0);
}

static void go(struct move *move, enum move_over over)
{
	move_begin(move, over);
	move_await(move);
	move_expect_done(move);
	small_vm_expect_equal(&move->source, &move->target);
}

static void init(struct move *move, const struct ramjet_memory_ops *source,
		 const struct ramjet_memory_ops *target, bool fresh)
{
	const struct small_vm_options from = machine(source, false),
				      to = machine(target, fresh);

	move_init_two(move, &from, &to);
}

static const char *chosen(const struct ramjet_info *info, const char *path)
{
	for (size_t i = 0; i < info->fast_path_count; i++)
		if (!strcmp(RAMJET_AT(info->fast_paths, i)->name, path))
			return RAMJET_AT(info->fast_paths, i)->chosen;
	return "none";
}

static void from_operations(void **state)
{
	struct move *move = *state;

	init(move, &ops_memory_ops, NULL, true);
	go(move, MOVE_UNIX);
	expect_batches(&move->source, OPS_READ);
	assert_string_equal(chosen(move->info, "memory"), "by operations");
	assert_string_equal(chosen(move->info, "populated map"), "vmm");
	assert_string_equal(chosen(move->target_info, "first touch"),
			    "in place");
}

static void to_operations(void **state)
{
	struct move *move = *state;

	init(move, NULL, &ops_memory_ops, true);
	go(move, MOVE_UNIX);
	expect_batches(&move->target, OPS_WRITE);
	assert_string_equal(chosen(move->info, "memory"), "none");
	assert_string_equal(chosen(move->target_info, "first touch"),
			    "by operations");
}

static void both(void **state)
{
	struct move *move = *state;

	init(move, &ops_memory_ops, &ops_memory_ops, true);
	go(move, MOVE_UNIX);
}

static void what_was_there_is_cleared(void **state)
{
	struct move *move = *state;

	init(move, &ops_memory_ops, &ops_memory_ops, false);
	go(move, MOVE_UNIX);
	assert_true(atomic_load(&move->target.own[0].calls[OPS_CLEAR]) > 0);
}

/* Nobody tells what is populated, and zeros are written. */
static void with_the_least_operations(void **state)
{
	struct move *move = *state;

	init(move, &ops_memory_bare_ops, &ops_memory_bare_ops, false);
	go(move, MOVE_UNIX);
}

static void over(void **state, enum move_over over, unsigned channels,
		 uint64_t cap)
{
	struct move *move = *state;

	init(move, &ops_memory_ops, &ops_memory_ops, false);
	move->source_params.channels = channels;
	move->source_params.bandwidth_bytes_per_s = cap;
	go(move, over);
}

static void several_channels(void **state)
{
	over(state, MOVE_UNIX, 2, 0);
	move_done(*state);
	over(state, MOVE_TCP, 4, 0);
}

static void under_a_cap(void **state)
{
	over(state, MOVE_UNIX, 1, 64u << 20);
	move_done(*state);
	over(state, MOVE_TCP, 3, 40u << 20);
}

static void one_way(void **state)
{
	over(state, MOVE_PIPE, 1, 0);
	move_done(*state);
	over(state, MOVE_FILE, 1, 0);
}

static void one_connection(void **state)
{
	over(state, MOVE_SOCKETPAIR, 1, 0);
}

static void with_system_calls(void **state)
{
	struct move *move = *state;

	init(move, &ops_memory_ops, &ops_memory_ops, false);
	move->source_params.backend = move->target_params.backend =
		RAMJET_BACKEND_SYSCALLS;
	go(move, MOVE_TCP);
}

static void every_page_verified(void **state)
{
	struct move *move = *state;

	init(move, &ops_memory_ops, &ops_memory_ops, true);
	move->source_params.verify_all = true;
	go(move, MOVE_UNIX);
}

/* The nth call fails, whichever that is: the source runs on, and both sides say
 * which block it was. */
static void fails_at(struct move *move, struct small_vm *vm, unsigned block,
		     enum ops_call call, unsigned n)
{
	vm->own[block].fails_at[call] = n;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	vm->own[block].fails_at[call] = 0;
}

static void a_read_that_fails(void **state)
{
	struct move *move = *state;

	for (unsigned n = 1; n <= 3; n++) {
		init(move, &ops_memory_ops, NULL, true);
		fails_at(move, &move->source, 0, OPS_READ, n);
		move_expect_error(&move->source_err, -EREMOTEIO,
				  "block ram0: its memory (array)");
		move_expect_error(&move->source_err, -EREMOTEIO,
				  "told to fail");
		move_expect_movable(move);
		move_done(move);
	}
}

static void a_write_that_fails(void **state)
{
	struct move *move = *state;

	for (unsigned n = 1; n <= 2; n++) {
		init(move, NULL, &ops_memory_ops, true);
		fails_at(move, &move->target, 1, OPS_WRITE, n);
		move_expect_error(&move->target_err, -EREMOTEIO,
				  "block ram1: its memory (array)");
		assert_non_null(
			strstr(move->source_err.message, "told to fail"));
		move_done(move);
	}
}

static void a_clear_that_fails(void **state)
{
	struct move *move = *state;

	init(move, NULL, &ops_memory_ops, false);
	fails_at(move, &move->target, 0, OPS_CLEAR, 1);
	move_expect_error(&move->target_err, -EREMOTEIO,
			  "block ram0: its memory (array)");
}

static void a_map_that_fails(void **state)
{
	struct move *move = *state;

	init(move, &ops_memory_ops, NULL, true);
	/* The first is a hint. */
	fails_at(move, &move->source, 0, OPS_POPULATED, 2);
	move_expect_movable(move);
}

/* At the target, verify reads. */
static void a_digest_that_cannot_be_had(void **state)
{
	struct move *move = *state;

	init(move, NULL, &ops_memory_ops, true);
	fails_at(move, &move->target, 1, OPS_READ, 1);
	move_expect_error(&move->target_err, -EREMOTEIO, "block ram1");
}

static void in_process_pagemap_refuses(void **state)
{
	struct small_vm_options from = machine(&ops_memory_ops, false);
	const struct small_vm_options to = machine(NULL, true);
	struct move *move = *state;

	from.dirty = VM_DIRTY_PAGEMAP;
	move_init_two(move, &from, &to);
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	if (!strstr(move->source_err.message, "not mapped here")) {
		print_message("# %s\n", move->source_err.message);
		skip();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(from_operations),
		MOVE_TEST(to_operations),
		MOVE_TEST(both),
		MOVE_TEST(what_was_there_is_cleared),
		MOVE_TEST(with_the_least_operations),
		MOVE_TEST(several_channels),
		MOVE_TEST(under_a_cap),
		MOVE_TEST(one_way),
		MOVE_TEST(one_connection),
		MOVE_TEST(with_system_calls),
		MOVE_TEST(every_page_verified),
		MOVE_TEST(a_read_that_fails),
		MOVE_TEST(a_write_that_fails),
		MOVE_TEST(a_clear_that_fails),
		MOVE_TEST(a_map_that_fails),
		MOVE_TEST(a_digest_that_cannot_be_had),
		MOVE_TEST(in_process_pagemap_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
