/* SPDX-License-Identifier: BSD-3-Clause */
#include "ramjet-dirty.h"
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/guest/guest.h"
#include "engine/send/marks.h"
#include "engine/send/rounds.h"

#define MIB (UINT64_C(1) << 20)

/* Never touched: blocks are only noted. */
static uint8_t *const host = (uint8_t *)0x7f0000000000;

static int stop(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

static int setup(void **state)
{
	const struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT,
					      .stop = stop, .start = stop };
	struct ramjet_guest *guest = NULL;
	int rc = ramjet_guest_new(&ops, NULL, &guest, NULL);

	*state = guest;
	return rc;
}

static int teardown(void **state)
{
	assert_int_equal(ramjet_guest_free(*state), 0);
	return 0;
}

/* Each somewhere else. */
static struct ramjet_block block_named(const char *name)
{
	static uint64_t next;

	return (struct ramjet_block){ RAMJET_BLOCK_INIT, .name = name,
				      .host = host + 2 * MIB * next++,
				      .bytes = MIB };
}

static void add(struct ramjet_guest *guest, const char *name, int index)
{
	const struct ramjet_block block = block_named(name);
	struct ramjet_error err = { 0 };

	if (ramjet_guest_add_block(guest, &block, &err) != index)
		fail_msg("%s: %s", name, err.message);
}

static void refuse(struct ramjet_guest *guest, const struct ramjet_block *block,
		   int code)
{
	struct ramjet_error err = { 0 };

	assert_int_equal(ramjet_guest_add_block(guest, block, &err), code);
	assert_int_equal(err.code, code);
	assert_true(*err.message);
}

static void a_guest_needs_stop_and_start(void **state)
{
	struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT };
	struct ramjet_guest *guest = NULL;
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(ramjet_guest_new(&ops, NULL, &guest, &err), -EINVAL);
	assert_true(*err.message);
	ops.stop = stop;
	assert_int_equal(ramjet_guest_new(&ops, NULL, &guest, NULL), -EINVAL);
	ops.start = stop;
	ops.stop = NULL;
	assert_int_equal(ramjet_guest_new(&ops, NULL, &guest, NULL), -EINVAL);
	assert_int_equal(ramjet_guest_new(NULL, NULL, &guest, NULL), -EINVAL);
	ops.stop = stop;
	ops.size = 0;
	assert_int_equal(ramjet_guest_new(&ops, NULL, &guest, NULL), -EINVAL);
	ops.size = sizeof(ops);
	assert_int_equal(ramjet_guest_new(&ops, NULL, NULL, NULL), -EINVAL);
	assert_null(guest);
	ramjet_guest_free(NULL);
}

static void blocks_count_from_zero(void **state)
{
	char longest[RJ_BLOCK_NAME_MAX + 1];

	memset(longest, 'n', RJ_BLOCK_NAME_MAX);
	longest[RJ_BLOCK_NAME_MAX] = '\0';
	add(*state, "ram0", 0);
	add(*state, "r", 1);
	add(*state, longest, 2);
	add(*state, "Speicher \xc3\xa4", 3);
}

static int no_memory(void *user, const struct ramjet_memory_range *ranges,
		     size_t count, void *data, struct ramjet_error *err)
{
	(void)user, (void)ranges, (void)count, (void)data, (void)err;
	return 0;
}

static const struct ramjet_memory_ops readable = {
	RAMJET_MEMORY_OPS_INIT,
	.name = "readable",
	.read = no_memory,
};

static void refuse_naming(struct ramjet_guest *guest,
			  const struct ramjet_block *block, const char *part)
{
	struct ramjet_error err = { 0 };

	assert_int_equal(ramjet_guest_add_block(guest, block, &err), -EINVAL);
	if (!strstr(err.message, part))
		fail_msg("\"%s\" does not say \"%s\"", err.message, part);
}

static void memory_by_operations_has_no_address(void **state)
{
	struct ramjet_memory_ops other = readable;
	struct ramjet_block block = block_named("ram");

	block.memory = &readable;
	refuse_naming(*state, &block, "host");
	block.host = NULL;
	block.fd = 0;
	refuse_naming(*state, &block, "fd is 0");
	block.fd = -1;
	block.fd_offset = RAMJET_PAGE_BYTES;
	refuse_naming(*state, &block, "fd_offset");
	block.fd_offset = 0;
	block.flags = RAMJET_BLOCK_PINNABLE;
	refuse_naming(*state, &block, "PINNABLE");
	block.flags = RAMJET_BLOCK_FRESH;
	block.memory = &other;
	other.name = NULL;
	refuse_naming(*state, &block, "name");
	other = readable;
	other.read = NULL;
	refuse_naming(*state, &block, "neither read nor write");
	other.size = 8;
	refuse_naming(*state, &block, "memory ops");
	block.memory = &readable;
	assert_int_equal(ramjet_guest_add_block(*state, &block, NULL), 0);
	/* Nobody knows where these lie. */
	block.name = "ram1";
	assert_int_equal(ramjet_guest_add_block(*state, &block, NULL), 1);
	add(*state, "mapped", 2);
}

static void memory_has_an_operation_for_the_way_it_goes(void **state)
{
	struct ramjet_block block = block_named("ram");
	struct ramjet_error err = { 0 };

	block.host = NULL;
	block.memory = &readable;
	add(*state, "mapped", 0);
	assert_int_equal(ramjet_guest_add_block(*state, &block, NULL), 1);
	assert_int_equal(rj_guest_check_memory(*state, true, &err), 0);
	assert_int_equal(rj_guest_check_memory(*state, false, &err), -EINVAL);
	assert_non_null(strstr(err.message, "block ram: its memory (readable) "
					    "has no operation `write`"));
}

/* One of a time before there were operations. */
static void a_block_may_be_shorter(void **state)
{
	struct ramjet_block block = block_named("ram");

	block.size = offsetof(struct ramjet_block, memory);
	block.memory = (const void *)0x1000;
	assert_int_equal(ramjet_guest_add_block(*state, &block, NULL), 0);
	block.size -= 4;
	refuse(*state, &block, -EINVAL);
}

static void names_are_unique_and_of_a_sensible_length(void **state)
{
	char name[RJ_BLOCK_NAME_MAX + 2];
	struct ramjet_block block;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	add(*state, "ram0", 0);
	block = block_named("ram0");
	refuse(*state, &block, -EEXIST);
	block = block_named("");
	refuse(*state, &block, -EINVAL);
	block = block_named(NULL);
	refuse(*state, &block, -EINVAL);
	block = block_named(name);
	refuse(*state, &block, -EINVAL);
	/* What the target would refuse in the block table. */
	block = block_named("new\nline");
	refuse(*state, &block, -EINVAL);
	block = block_named("half \xc3");
	refuse(*state, &block, -EINVAL);
}

static void the_name_is_a_copy(void **state)
{
	char name[] = "mine";
	struct ramjet_block block = block_named(name);

	assert_int_equal(ramjet_guest_add_block(*state, &block, NULL), 0);
	memcpy(name, "xxxx", 4);
	block = block_named("mine");
	refuse(*state, &block, -EEXIST);
}

static void sizes_and_addresses_are_whole_pages(void **state)
{
	struct ramjet_block block = block_named("a");

	block.bytes = 0;
	refuse(*state, &block, -EINVAL);
	block.bytes = MIB + 1;
	refuse(*state, &block, -EINVAL);
	block.bytes = MIB;
	block.page_bytes = 2 * MIB;
	refuse(*state, &block, -EINVAL);
	block.page_bytes = 2048;
	refuse(*state, &block, -EINVAL);
	block.page_bytes = 12288;
	refuse(*state, &block, -EINVAL);
	block.page_bytes = 0;
	block.host = NULL;
	refuse(*state, &block, -EINVAL);
	block.host = host + 1;
	refuse(*state, &block, -EINVAL);
	block.host = host;
	block.bytes = UINT64_MAX - 4095;
	refuse(*state, &block, -EINVAL);
	block.bytes = 2 * MIB;
	block.page_bytes = 2 * MIB;
	assert_int_equal(ramjet_guest_add_block(*state, &block, NULL), 0);
}

static void expect_overlap(struct ramjet_guest *guest, uint64_t first_page,
			   uint64_t end_page)
{
	struct ramjet_block block = block_named("second");
	struct ramjet_error err = { 0 };

	block.host = host + first_page * RAMJET_PAGE_BYTES;
	block.bytes = (end_page - first_page) * RAMJET_PAGE_BYTES;
	assert_int_equal(ramjet_guest_add_block(guest, &block, &err), -EINVAL);
	assert_non_null(strstr(err.message, "block second"));
	assert_non_null(strstr(err.message, "overlap block first"));
}

static void no_memory_is_in_two_blocks(void **state)
{
	struct ramjet_block block = block_named("first");

	block.host = host + 10 * RAMJET_PAGE_BYTES;
	block.bytes = 10 * RAMJET_PAGE_BYTES;
	assert_int_equal(ramjet_guest_add_block(*state, &block, NULL), 0);
	expect_overlap(*state, 10, 20);
	expect_overlap(*state, 19, 30);
	expect_overlap(*state, 5, 11);
	expect_overlap(*state, 12, 13);
	expect_overlap(*state, 0, 40);
	block.name = "below";
	block.host = host;
	assert_int_equal(ramjet_guest_add_block(*state, &block, NULL), 1);
	block.name = "above";
	block.host = host + 20 * RAMJET_PAGE_BYTES;
	assert_int_equal(ramjet_guest_add_block(*state, &block, NULL), 2);
}

static void a_block_that_wraps_around_is_refused(void **state)
{
	struct ramjet_block block = block_named("a");

	block.host = (void *)(UINTPTR_MAX - MIB + 1);
	block.bytes = 2 * MIB;
	refuse(*state, &block, -EINVAL);
}

static void disks_and_unknown_kinds_are_refused(void **state)
{
	struct ramjet_block block = block_named("a");

	block.kind = 1;
	refuse(*state, &block, -EOPNOTSUPP);
	block.kind = 77;
	refuse(*state, &block, -EOPNOTSUPP);
}

static void half_a_block_struct_is_refused(void **state)
{
	struct ramjet_block block = block_named("a");

	block.size = 8;
	refuse(*state, &block, -EINVAL);
	assert_int_equal(ramjet_guest_add_block(*state, NULL, NULL), -EINVAL);
	assert_int_equal(ramjet_guest_add_block(NULL, &block, NULL), -EINVAL);
}

static void there_is_a_most_of_blocks(void **state)
{
	struct ramjet_block block;
	char name[16];

	for (int i = 0; i < (int)RJ_BLOCKS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "b%d", i);
		add(*state, name, i);
	}
	block = block_named("one more");
	refuse(*state, &block, -ENOSPC);
}

static void a_guest_is_taken_once_at_a_time_and_then_fixed(void **state)
{
	struct ramjet_guest *guest = *state;
	struct ramjet_block block = block_named("late");
	struct ramjet_dirty_source *source = NULL;
	struct ramjet_error err = { 0 };
	uint64_t bits = 0;
	const struct ramjet_dirty_bitmap bitmap = {
		RAMJET_DIRTY_BITMAP_INIT,
		.block = "ram0",
		.bits = &bits,
		.bytes = sizeof(bits),
	};

	assert_int_equal(ramjet_dirty_shared_new(&bitmap, &source, NULL), 0);
	assert_int_equal(rj_guest_acquire(guest, true, &err), -EINVAL);
	assert_true(*err.message);
	add(guest, "ram0", 0);
	assert_int_equal(rj_guest_acquire(guest, true, NULL), 0);
	assert_int_equal(rj_guest_acquire(guest, true, NULL), -EBUSY);
	refuse(guest, &block, -EBUSY);
	err.code = 0;
	assert_int_equal(ramjet_guest_add_dirty_source(guest, source, &err),
			 -EBUSY);
	assert_int_equal(err.code, -EBUSY);
	rj_guest_release(guest);
	assert_int_equal(ramjet_guest_add_dirty_source(guest, source, NULL), 0);
	assert_int_equal(ramjet_guest_add_block(guest, &block, NULL), 1);
	assert_int_equal(rj_guest_acquire(guest, true, NULL), 0);
	rj_guest_release(guest);
	/* Two handles, though nothing is under way. */
	assert_int_equal(ramjet_guest_free(guest), -EBUSY);
	rj_guest_forget(guest);
	assert_int_equal(ramjet_guest_free(guest), -EBUSY);
	rj_guest_forget(guest);
}

static void a_source_has_one_guest_which_frees_it(void **state)
{
	struct ramjet_dirty_source *source = NULL;
	struct ramjet_error err = { 0 };
	uint64_t bits = 0;
	const struct ramjet_dirty_bitmap bitmap = {
		RAMJET_DIRTY_BITMAP_INIT,
		.block = "ram0",
		.bits = &bits,
		.bytes = sizeof(bits),
	};

	assert_int_equal(ramjet_dirty_shared_new(&bitmap, &source, NULL), 0);
	assert_int_equal(ramjet_guest_add_dirty_source(*state, source, NULL),
			 0);
	assert_int_equal(ramjet_guest_add_dirty_source(*state, source, &err),
			 -EBUSY);
	assert_non_null(strstr(err.message, "a guest has it already"));
	assert_int_equal(ramjet_dirty_free(source), -EBUSY);
}

static void a_source_that_is_none_is_refused(void **state)
{
	assert_int_equal(ramjet_guest_add_dirty_source(*state, NULL, NULL),
			 -EINVAL);
	assert_int_equal(ramjet_guest_add_dirty_source(NULL, NULL, NULL),
			 -EINVAL);
}

static void blockers_are_kept_with_the_guest(void **state)
{
	assert_int_equal(ramjet_guest_add_blocker(*state, "x", NULL), 0);
	assert_int_equal(ramjet_guest_add_blocker(*state, "", NULL), -EINVAL);
	assert_int_equal(ramjet_guest_add_blocker(NULL, "x", NULL), -EINVAL);
	assert_int_equal(ramjet_guest_del_blocker(*state, "y"), -ENOENT);
	assert_int_equal(ramjet_guest_del_blocker(*state, NULL), -EINVAL);
	assert_int_equal(ramjet_guest_del_blocker(*state, "x"), 0);
	assert_int_equal(ramjet_guest_del_blocker(*state, "x"), -ENOENT);
}

static void discards_are_checked(void **state)
{
	struct ramjet_error err = { 0 };

	add(*state, "ram0", 0);
	assert_int_equal(ramjet_guest_discard(*state, "ram0", 0, MIB, &err), 0);
	assert_int_equal(ramjet_guest_discard(*state, "ram0", MIB, 0, &err), 0);
	assert_int_equal(ramjet_guest_discard(*state, "ram1", 0, MIB, &err),
			 -ENOENT);
	assert_int_equal(ramjet_guest_discard(*state, "ram0", 1, 4096, &err),
			 -EINVAL);
	assert_int_equal(ramjet_guest_discard(*state, "ram0", 0, 4095, &err),
			 -EINVAL);
	assert_int_equal(ramjet_guest_discard(*state, "ram0", 4096, MIB, &err),
			 -ERANGE);
	assert_int_equal(ramjet_guest_discard(*state, "ram0", UINT64_MAX - 4095,
					      8192, &err),
			 -ERANGE);
	assert_int_equal(ramjet_guest_discard(*state, NULL, 0, MIB, &err),
			 -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_true(*err.message);
}

static void discards_are_marked_in_the_rounds_under_way(void **state)
{
	struct ramjet_guest *guest = *state;
	struct rj_rounds rounds = { 0 };
	struct rj_bitmap *const *maps;

	add(guest, "ram0", 0);
	add(guest, "ram1", 1);
	assert_int_equal(rj_rounds_init(&rounds, guest->blocks, 2, 1, -1, NULL),
			 0);
	rj_rounds_listen(&rounds, guest);
	assert_int_equal(ramjet_guest_discard(guest, "ram1", 8192, 12288, NULL),
			 0);
	maps = rj_rounds_sink(&rounds);
	assert_int_equal(rj_bitmap_count(maps[0]), 0);
	assert_int_equal(rj_bitmap_count(maps[1]), 3);
	assert_true(rj_bitmap_test(maps[1], 2));
	assert_true(rj_bitmap_test(maps[1], 4));
	rj_guest_listen(guest, NULL, NULL);
	assert_int_equal(ramjet_guest_discard(guest, "ram0", 0, MIB, NULL), 0);
	maps = rj_rounds_sink(&rounds);
	assert_int_equal(rj_bitmap_count(maps[0]), 0);
	rj_rounds_done(&rounds);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_guest_needs_stop_and_start),
		CASE(blocks_count_from_zero),
		CASE(memory_by_operations_has_no_address),
		CASE(memory_has_an_operation_for_the_way_it_goes),
		CASE(a_block_may_be_shorter),
		CASE(names_are_unique_and_of_a_sensible_length),
		CASE(the_name_is_a_copy),
		CASE(sizes_and_addresses_are_whole_pages),
		CASE(no_memory_is_in_two_blocks),
		CASE(a_block_that_wraps_around_is_refused),
		CASE(disks_and_unknown_kinds_are_refused),
		CASE(half_a_block_struct_is_refused),
		CASE(there_is_a_most_of_blocks),
		CASE(a_guest_is_taken_once_at_a_time_and_then_fixed),
		CASE(a_source_has_one_guest_which_frees_it),
		CASE(a_source_that_is_none_is_refused),
		CASE(blockers_are_kept_with_the_guest),
		CASE(discards_are_checked),
		CASE(discards_are_marked_in_the_rounds_under_way),
	};

	return cmocka_run_group_tests_name("guest", tests, NULL, NULL);
}
