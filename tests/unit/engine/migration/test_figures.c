/* SPDX-License-Identifier: BSD-3-Clause */
/* What was sent and received, block by block. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/engine/move.h"

static struct ramjet_block_figures figures_of(
	const struct ramjet_migration *migration, unsigned index)
{
	struct ramjet_block_figures figures = { .size = sizeof(figures) };

	assert_int_equal(ramjet_block_figures(migration, index, &figures), 0);
	assert_int_equal(figures.size, sizeof(figures));
	return figures;
}

static void expect_sums(const struct ramjet_migration *migration,
			const struct small_vm *vm)
{
	struct ramjet_info *info;
	uint64_t normal = 0, zero = 0, untouched = 0;

	assert_int_equal(ramjet_info(migration, &info), 0);
	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++) {
		const struct ramjet_block_figures f = figures_of(migration, i);

		assert_string_equal(f.name, i ? "ram1" : "ram0");
		assert_int_equal(f.bytes, vm->ram[i].bytes);
		assert_true(f.normal_pages > 0);
		normal += f.normal_pages;
		zero += f.zero_pages;
		untouched += f.untouched_pages;
	}
	assert_int_equal(normal, info->ram_normal_pages +
					 info->ram_compressed_pages +
					 info->ram_delta_pages);
	assert_int_equal(zero, info->ram_zero_pages);
	assert_int_equal(untouched, info->ram_unpopulated_pages);
	ramjet_info_free(info);
}

static void await(struct ramjet_migration *migration)
{
	struct ramjet_error err;

	if (ramjet_wait(migration, -1, &err))
		fail_msg("%s", err.message);
}

static void blocks_add_up_on_both_sides(void **state)
{
	struct ramjet_block_figures ours, theirs;
	struct move *move = *state;

	move_init(move, &move_machine);
	move->source_params.channels = 3;
	move_begin(move, MOVE_TCP);
	await(move->outgoing);
	await(move->incoming);
	expect_sums(move->outgoing, &move->source);
	expect_sums(move->incoming, &move->target);
	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++) {
		ours = figures_of(move->outgoing, i);
		theirs = figures_of(move->incoming, i);
		assert_int_equal(ours.normal_pages, theirs.normal_pages);
		assert_int_equal(ours.zero_pages, theirs.zero_pages);
		assert_int_equal(theirs.untouched_pages, 0);
	}
	move_await(move);
	move_expect_done(move);
}

static void callers_of_any_age_are_served(void **state)
{
	struct {
		struct ramjet_block_figures known;
		uint64_t newer;
	} later = { .known.size = sizeof(later), .newer = 1 };
	struct ramjet_block_figures early = {
		.size = offsetof(struct ramjet_block_figures, zero_pages),
		.zero_pages = 4711,
	};
	struct move *move = *state;

	move_init(move, &move_machine);
	move_listen(move);
	assert_int_equal(ramjet_block_figures(NULL, 0, &early), -EINVAL);
	assert_int_equal(ramjet_block_figures(move->incoming, 0, NULL),
			 -EINVAL);
	assert_int_equal(
		ramjet_block_figures(move->incoming, SMALL_VM_BLOCKS, &early),
		-ENOENT);
	assert_int_equal(ramjet_block_figures(move->incoming, 1, &early), 0);
	assert_string_equal(early.name, "ram1");
	assert_int_equal(early.zero_pages, 4711);
	assert_int_equal(ramjet_block_figures(move->incoming, 1, &later.known),
			 0);
	assert_int_equal(later.known.size, sizeof(later));
	assert_int_equal(later.newer, 0);
	later.known.size = 1;
	assert_int_equal(ramjet_block_figures(move->incoming, 1, &later.known),
			 -EINVAL);
	ramjet_migration_free(move->incoming);
	move->incoming = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(blocks_add_up_on_both_sides),
		MOVE_TEST(callers_of_any_age_are_served),
	};

	return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
