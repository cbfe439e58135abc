/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole migrations over every transport; the guest writes all the time. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/engine/move.h"

#define ALL_STATES "setup active switchover committed completed"

static void expect_moved(struct move *move)
{
	const uint32_t called_off = move->info->called_off;

	move_expect_done(move);
	if (called_off)
		small_vm_expect_last(&move->source, RAMJET_STATE_COMPLETED);
	else
		small_vm_expect_states(&move->source, ALL_STATES);
	small_vm_expect_states(&move->target, ALL_STATES);
	assert_int_equal(small_vm_calls(&move->source, VM_STOP),
			 called_off + 1);
	assert_int_equal(small_vm_calls(&move->source, VM_START), called_off);
	assert_int_equal(small_vm_calls(&move->source, VM_SAVE), 1);
	assert_int_equal(small_vm_calls(&move->target, VM_LOAD), 1);
	assert_int_equal(small_vm_calls(&move->target, VM_STOP), 0);
}

static void run(struct move *move, enum move_over over)
{
	move_begin(move, over);
	move_await(move);
	expect_moved(move);
}

static void run_all_ways(struct move *move, enum move_over over,
			 unsigned channels_max)
{
	static const uint32_t backends[] = { RAMJET_BACKEND_URING,
					     RAMJET_BACKEND_SYSCALLS };

	for (unsigned i = 0; i < 2; i++)
		for (unsigned n = 1; n <= channels_max; n *= n > 2 ? 4 : 2) {
			move_init(move, &move_machine);
			move->source_params.channels = n;
			move->source_params.backend = backends[i];
			move->target_params.backend = backends[i];
			/* With predictions as they are made. */
			move->source_params.switchover_bandwidth_bytes_per_s =
				0;
			run(move, over);
			/* It converges, whatever the wire. */
			assert_in_range(move->info->rounds_total, 1, 300);
			assert_int_equal(move->info->channel_count, n);
			assert_int_equal(move->target_info->channel_count, n);
			move_done(move);
		}
}

static void any_number_of_channels_over_unix_sockets(void **state)
{
	run_all_ways(*state, MOVE_UNIX, 16);
}

static void any_number_of_channels_over_tcp(void **state)
{
	run_all_ways(*state, MOVE_TCP, 16);
}

static void one_connection_for_all(void **state)
{
	run_all_ways(*state, MOVE_SOCKETPAIR, 1);
}

static void one_way_through_a_pipe(void **state)
{
	run_all_ways(*state, MOVE_PIPE, 1);
}

static void into_a_file_and_out_of_it(void **state)
{
	run_all_ways(*state, MOVE_FILE, 1);
}

static void each_side_has_its_own_backend(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	move->source_params.channels = 2;
	move->source_params.backend = RAMJET_BACKEND_SYSCALLS;
	move->target_params.backend = RAMJET_BACKEND_URING;
	run(move, MOVE_UNIX);
	move_done(move);
}

static void the_kernel_tells_what_was_written(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;
	uint64_t before;

	is.dirty = VM_DIRTY_PAGEMAP;
	move_init(move, &is);
	move->source_params.channels = 2;
	move->source_params.hold = true;
	move_begin(move, MOVE_UNIX);
	/* Not before something was written on the way. */
	before = atomic_load(&move->source.written);
	while (atomic_load(&move->source.written) == before)
		(void)sched_yield();
	(void)ramjet_switchover(move->outgoing);
	move_await(move);
	if (move->source_rc == -EOPNOTSUPP || move->source_rc == -EPERM) {
		printf("# skipped: %s\n", move->source_err.message);
		move_done(move);
		skip();
	}
	expect_moved(move);
	move_done(move);
}

static void several_sources_of_dirt_are_added_up(void **state)
{
	struct ramjet_dirty_source *pagemap = NULL;
	struct move *move = *state;

	move_init(move, &move_machine);
	assert_int_equal(ramjet_dirty_pagemap_new(&pagemap, NULL), 0);
	assert_int_equal(ramjet_guest_add_dirty_source(move->source.guest,
						       pagemap, NULL),
			 0);
	move_begin(move, MOVE_UNIX);
	move_await(move);
	if (move->source_rc == -EOPNOTSUPP || move->source_rc == -EPERM) {
		printf("# skipped: %s\n", move->source_err.message);
		move_done(move);
		skip();
	}
	expect_moved(move);
	move_done(move);
}

static void fresh_memory_on_the_target(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;

	is.fresh = true;
	move_init(move, &is);
	run(move, MOVE_UNIX);
	move_done(move);
}

static void a_guest_without_device_state_or_dirt(void **state)
{
	const struct small_vm_options is = { .bytes = { 3u << 20 } };
	struct move *move = *state;

	for (unsigned over = 0; over < MOVE_OVER_COUNT_; over++) {
		move_init(move, &is);
		move_begin(move, over);
		move_await(move);
		move_expect_done(move);
		small_vm_expect_states(&move->source, ALL_STATES);
		small_vm_expect_states(&move->target, ALL_STATES);
		move_done(move);
	}
}

static void a_guest_of_one_page(void **state)
{
	const struct small_vm_options is = { .bytes = { RAMJET_PAGE_BYTES } };
	struct move *move = *state;

	move_init(move, &is);
	move->source_params.channels = 4;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	move_done(move);
}

/* More than one frame can hold, and not a whole number of them. */
static void device_state_of_many_pieces(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;

	is.state_bytes = (5u << 20) + 1;
	for (unsigned over = 0; over < MOVE_OVER_COUNT_; over++) {
		move_init(move, &is);
		run(move, over);
		move_done(move);
	}
}

/* What small_vm_fill() has made of it. */
static void expect_page_counts(const struct ramjet_info *info)
{
	uint64_t untouched = 0, zero = 0, all = 0;

	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++)
		for (uint64_t page = 0;
		     page < move_machine.bytes[i] / RAMJET_PAGE_BYTES; page++) {
			untouched += page % 7 == 3;
			zero += page % 7 != 3 && page % 5 == 1;
			all++;
		}
	assert_int_equal(info->ram_unpopulated_pages, untouched);
	assert_int_equal(info->ram_zero_pages, zero);
	assert_int_equal(info->ram_normal_pages, all - zero - untouched);
}

static void what_info_says_afterwards(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;
	const struct ramjet_info *info;
	uint64_t us = 0;

	is.dirty = VM_DIRTY_NONE;
	move_init(move, &is);
	move->source_params.channels = 2;
	run(move, MOVE_UNIX);
	info = move->info;
	assert_true(info->outgoing);
	assert_false(move->target_info->outgoing);
	assert_null(info->error);
	assert_true(info->verified && move->target_info->verified);
	assert_int_equal(info->verify_blocks, 2);
	assert_int_equal(info->ram_total_bytes, (8u << 20) + RAMJET_PAGE_BYTES);
	assert_int_equal(info->ram_remaining_bytes, 0);
	assert_int_equal(info->ram_transferred_bytes,
			 info->ram_normal_pages * RAMJET_PAGE_BYTES);
	assert_int_equal(info->ram_transferred_bytes,
			 move->target_info->ram_transferred_bytes);
	assert_int_equal(info->ram_zero_pages,
			 move->target_info->ram_zero_pages);
	assert_true(info->ram_wire_bytes > info->ram_transferred_bytes);
	expect_page_counts(info);
	assert_true(info->rounds_total >= 2);
	for (size_t i = 0; i < info->term_count; i++)
		us += RAMJET_AT(info->terms, i)->actual_us;
	assert_true(info->downtime_us > 0);
	/* Each term is cut to whole microseconds. */
	assert_true(us <= info->downtime_us &&
		    us + info->term_count >= info->downtime_us);
	move_done(move);
}

/* Before the first round nothing was measured but what memory holds. */
static void look_when_active(struct small_vm *vm, enum ramjet_state state)
{
	struct move *move = vm->user;
	struct ramjet_info *info = NULL;

	if (state != RAMJET_STATE_ACTIVE ||
	    ramjet_info(move_handle(move, vm), &info))
		return;
	move->known_when_active = info->known;
	ramjet_info_free(info);
}

static void info_tells_what_is_known(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;
	const uint64_t not_at_end = RAMJET_KNOWN_CURRENT_RATE;
	const uint64_t predicted = RAMJET_KNOWN_PREDICTION |
				   RAMJET_KNOWN_CONVERGENCE |
				   RAMJET_KNOWN_DIRTY_RATE;

	is.dirty = VM_DIRTY_NONE;
	move_init(move, &is);
	move->source.on_state = look_when_active;
	run(move, MOVE_UNIX);
	assert_int_equal(move->known_when_active & ~RAMJET_KNOWN_THROUGHPUT,
			 RAMJET_KNOWN_REMAINING);
	assert_int_equal(move->info->known & predicted, predicted);
	assert_true(move->info->known & RAMJET_KNOWN_DOWNTIME);
	assert_true(move->info->known & RAMJET_KNOWN_REMAINING);
	assert_int_equal(move->info->dirty_pages_per_s, 0);
	assert_int_equal(move->info->known & not_at_end, 0);
	assert_int_equal(move->info->current_bytes_per_s, 0);
	/* The target predicts nothing, and doesn't know what is still left. */
	assert_int_equal(move->target_info->known,
			 RAMJET_KNOWN_THROUGHPUT | RAMJET_KNOWN_DOWNTIME);
	move_done(move);
}

static const struct ramjet_term_info *term_of(const struct ramjet_info *info,
					      const char *name)
{
	for (size_t i = 0; i < info->term_count; i++)
		if (!strcmp(RAMJET_AT(info->terms, i)->name, name))
			return RAMJET_AT(info->terms, i);
	fail_msg("no term %s", name);
	return NULL;
}

/* Saving takes 30 ms, of which nothing can be known before. */
static void take_time_to_save(struct small_vm *vm, enum vm_call call)
{
	const struct timespec time = { .tv_nsec = 30000000 };

	(void)vm;
	if (call == VM_SAVE)
		(void)nanosleep(&time, NULL);
}

static void devices_are_predicted_as_said_and_then_as_seen(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;
	const struct ramjet_info *info;

	is.dirty = VM_DIRTY_NONE;
	move_init(move, &is);
	move->source.on_call = take_time_to_save;
	move->source_params.state_hint_us = 8000;
	move->target.fails[VM_LOAD] = -EIO;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	info = move->info;
	assert_int_equal(term_of(info, "device state")->predicted_us, 4000);
	assert_true(term_of(info, "device state")->actual_us >= 30000);
	/* The same guest, another time. */
	move->target.fails[VM_LOAD] = 0;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	info = move->info;
	assert_int_equal(move->source_rc, 0);
	assert_true(term_of(info, "device state")->predicted_us >= 30000);
	assert_true(info->downtime_p50_us >= 30000);
	/* The guest ran at the target before this side heard of it. */
	assert_true(info->known & RAMJET_KNOWN_GUEST_DOWNTIME);
	assert_in_range(info->guest_downtime_us, 30000, info->downtime_us);
	assert_true(info->known & RAMJET_KNOWN_PATH_RTT);
	move_done(move);
}

static void a_guest_moves_on_from_where_it_moved_to(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;

	is.dirty = VM_DIRTY_NONE;
	move_init(move, &is);
	run(move, MOVE_UNIX);
	/* Swap them. */
	small_vm_power_off(&move->target);
	small_vm_fill(&move->target, 7);
	move->source.other = move->target.other = NULL;
	move->source_params.verify = move->target_params.verify = false;
	{
		struct ramjet_migration *in = NULL, *out = NULL;
		char uri[128];

		(void)snprintf(uri, sizeof(uri), "unix:%s/socket",
			       move->folder);
		assert_int_equal(ramjet_incoming(move->source.guest, uri, NULL,
						 &in, NULL),
				 0);
		assert_int_equal(ramjet_migrate(move->target.guest, uri, NULL,
						&out, NULL),
				 0);
		assert_int_equal(ramjet_wait(out, -1, NULL), 0);
		assert_int_equal(ramjet_wait(in, -1, NULL), 0);
		ramjet_migration_free(out);
		ramjet_migration_free(in);
	}
	small_vm_expect_equal(&move->source, &move->target);
	small_vm_expect_states(&move->source, ALL_STATES);
	small_vm_expect_states(&move->target, ALL_STATES);
	move_done(move);
}

static void a_guest_is_moved_once_at_a_time(void **state)
{
	struct ramjet_migration *second = NULL;
	struct ramjet_error err = { 0 };
	struct move *move = *state;

	move_init(move, &move_machine);
	move_listen(move);
	assert_int_equal(ramjet_incoming(move->target.guest, "tcp:127.0.0.1:0",
					 NULL, &second, &err),
			 -EBUSY);
	assert_non_null(strstr(err.message, "migrat"));
	assert_null(second);
	move->source_params.hold = true;
	move_send(move);
	assert_int_equal(ramjet_migrate(move->source.guest, "tcp:127.0.0.1:1",
					NULL, &second, &err),
			 -EBUSY);
	assert_int_equal(ramjet_switchover(move->outgoing), 0);
	move_await(move);
	move_expect_done(move);
	move_done(move);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(any_number_of_channels_over_unix_sockets),
		MOVE_TEST(any_number_of_channels_over_tcp),
		MOVE_TEST(one_connection_for_all),
		MOVE_TEST(one_way_through_a_pipe),
		MOVE_TEST(into_a_file_and_out_of_it),
		MOVE_TEST(each_side_has_its_own_backend),
		MOVE_TEST(the_kernel_tells_what_was_written),
		MOVE_TEST(several_sources_of_dirt_are_added_up),
		MOVE_TEST(fresh_memory_on_the_target),
		MOVE_TEST(a_guest_without_device_state_or_dirt),
		MOVE_TEST(a_guest_of_one_page),
		MOVE_TEST(device_state_of_many_pieces),
		MOVE_TEST(what_info_says_afterwards),
		MOVE_TEST(info_tells_what_is_known),
		MOVE_TEST(devices_are_predicted_as_said_and_then_as_seen),
		MOVE_TEST(a_guest_moves_on_from_where_it_moved_to),
		MOVE_TEST(a_guest_is_moved_once_at_a_time),
	};

	return cmocka_run_group_tests_name("migration", tests, NULL, NULL);
}
