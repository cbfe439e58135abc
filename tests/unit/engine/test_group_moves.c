/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole guests move compressed, over everything there is; mapped, and reached by
 * operations. */
#include "tests/unit/cmocka_all.h"

#include "engine/page/zstd_version.h"
#include "tests/unit/engine/move.h"

/* Every other page becomes one that repeats itself: not quite one word. */
static void write_text(const struct guarded *ram)
{
	uint64_t *words = (uint64_t *)(void *)ram->host;

	for (uint64_t i = 0; i < ram->bytes / sizeof(*words); i++)
		if (i / (RAMJET_PAGE_BYTES / sizeof(*words)) % 2)
			words[i] = 0x20202020 + i * i % 61;
}

static void run(struct move *move, enum move_over over, enum vm_dirty dirty,
		const struct ramjet_memory_ops *source,
		const struct ramjet_memory_ops *target)
{
	struct small_vm_options from = move_machine, to = move_machine;

	if (!rj_zstd_version()) {
		print_message("# built without zstd\n");
		skip();
	}
	from.dirty = dirty;
	from.memory = source;
	to.memory = target;
	move_init_two(move, &from, &to);
	small_vm_power_off(&move->source);
	write_text(&move->source.ram[0]);
	write_text(&move->source.ram[1]);
	small_vm_power_on(&move->source);
	move->source_params.compression = RAMJET_COMPRESSION_ZSTD;
	move->source_params.compression_level = 1;
	move->source_params.strict = true;
	if (over == MOVE_UNIX || over == MOVE_TCP)
		move->source_params.channels = 2;
	move_begin(move, over);
	move_await(move);
	move_expect_done(move);
	assert_true(move->target_info->verified);
	assert_true(move->info->ram_compressed_pages > 100);
	assert_int_equal(move->info->ram_compressed_pages,
			 move->target_info->ram_compressed_pages);
	assert_int_equal(move->info->ram_transferred_bytes,
			 move->target_info->ram_transferred_bytes);
	if (dirty == VM_DIRTY_NONE)
		small_vm_expect_equal(&move->source, &move->target);
	move_done(move);
}

static void a_guest_arrives_whole_over_everything(void **state)
{
	for (unsigned over = 0; over < MOVE_OVER_COUNT_; over++)
		run(*state, over, VM_DIRTY_NONE, NULL, NULL);
}

static void a_guest_that_writes_meanwhile_arrives_whole(void **state)
{
	run(*state, MOVE_TCP, VM_DIRTY_SHARED, NULL, NULL);
	run(*state, MOVE_PIPE, VM_DIRTY_SHARED, NULL, NULL);
}

static void a_guest_that_is_not_mapped_arrives_whole(void **state)
{
	run(*state, MOVE_UNIX, VM_DIRTY_NONE, &ops_memory_ops, NULL);
	run(*state, MOVE_UNIX, VM_DIRTY_NONE, NULL, &ops_memory_ops);
	run(*state, MOVE_TCP, VM_DIRTY_SHARED, &ops_memory_ops,
	    &ops_memory_ops);
	/* Read and copied, and both before it is sent. */
	run(*state, MOVE_PIPE, VM_DIRTY_SHARED, &ops_memory_ops,
	    &ops_memory_bare_ops);
	run(*state, MOVE_FILE, VM_DIRTY_NONE, &ops_memory_ops, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(a_guest_arrives_whole_over_everything),
		MOVE_TEST(a_guest_that_writes_meanwhile_arrives_whole),
		MOVE_TEST(a_guest_that_is_not_mapped_arrives_whole),
	};

	return cmocka_run_group_tests_name("group_moves", tests, NULL, NULL);
}
