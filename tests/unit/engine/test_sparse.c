/* SPDX-License-Identifier: BSD-3-Clause */
/* Huge guests that use little: what was never touched costs next to nothing,
 * on either side. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/engine/move.h"
#include "util/compiler.h"

#define BYTES   (UINT64_C(64) << 30)
#define PAGES   (BYTES / RAMJET_PAGE_BYTES)
#define TOUCHED 300u
/* Bitmaps of both sides, threads, buffers. */
#define RESIDENT_PAGES_MAX ((256u << 20) / RAMJET_PAGE_BYTES)

static uint64_t resident_pages(void)
{
	unsigned long size = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
	(void)fclose(file);
	return resident;
}

/* The first and the last, and others far apart. */
static uint64_t touched_page(unsigned i)
{
	return i == TOUCHED - 1 ? PAGES - 1 : i * (PAGES / TOUCHED);
}

static void begin(struct move *move, enum vm_dirty dirty, bool fresh)
{
	struct small_vm_options is = { .bytes = { RAMJET_PAGE_BYTES } };

	/* small_vm_fill() would touch it all. */
	move_init(move, &is);
	small_vm_power_off(&move->source);
	small_vm_done(&move->source);
	small_vm_done(&move->target);
	is.bytes[0] = BYTES;
	is.name = "source";
	is.dirty = dirty;
	small_vm_init(&move->source, &is);
	is.name = "target";
	is.dirty = VM_DIRTY_NONE;
	is.fresh = fresh;
	small_vm_init(&move->target, &is);
	for (unsigned i = 0; i < TOUCHED; i++)
		guarded_fill(&move->source.ram[0], touched_page(i), i);
	atomic_store(&move->source.running, true);
}

static void expect_pages(const struct move *move)
{
	const struct guarded *a = &move->source.ram[0];
	const struct guarded *b = &move->target.ram[0];

	for (unsigned i = 0; i < TOUCHED; i++) {
		const uint64_t at = touched_page(i) * RAMJET_PAGE_BYTES;

		assert_memory_equal(a->host + at, b->host + at,
				    RAMJET_PAGE_BYTES);
	}
	assert_true(guarded_is_intact(a) && guarded_is_intact(b));
}

static void run(struct move *move, enum vm_dirty dirty, bool fresh)
{
	uint64_t before;

	begin(move, dirty, fresh);
	move->source_params.channels = 4;
	before = resident_pages();
	move_begin(move, MOVE_UNIX);
	move_await(move);
	assert_true(resident_pages() < before + RESIDENT_PAGES_MAX);
	if (move->source_rc)
		fail_msg("%s", move->source_err.message);
	assert_int_equal(move->target_rc, 0);
	assert_true(move->info->verified);
	assert_int_equal(move->info->ram_total_bytes, BYTES);
	assert_int_equal(move->info->ram_normal_pages, TOUCHED);
	assert_int_equal(move->info->ram_unpopulated_pages, PAGES - TOUCHED);
	expect_pages(move);
}

static void untouched_memory_costs_nothing(void **state)
{
	run(*state, VM_DIRTY_NONE, true);
}

static void nor_on_a_target_that_has_to_look(void **state)
{
	run(*state, VM_DIRTY_NONE, false);
}

static void what_the_target_had_there_is_gone(void **state)
{
	struct move *move = *state;
	const struct guarded *ram;

	begin(move, VM_DIRTY_NONE, false);
	ram = &move->target.ram[0];
	for (unsigned i = 0; i < 100; i++)
		guarded_fill(ram, 12345 + i * UINT64_C(100003), i);
	move_begin(move, MOVE_UNIX);
	move_await(move);
	if (move->source_rc)
		fail_msg("%s", move->source_err.message);
	expect_pages(move);
	for (unsigned i = 0; i < 100; i++) {
		const uint64_t page = 12345 + i * UINT64_C(100003);

		assert_memory_equal(move->source.ram[0].host +
					    page * RAMJET_PAGE_BYTES,
				    ram->host + page * RAMJET_PAGE_BYTES,
				    RAMJET_PAGE_BYTES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(untouched_memory_costs_nothing),
		MOVE_TEST(nor_on_a_target_that_has_to_look),
		MOVE_TEST(what_the_target_had_there_is_gone),
	};

#ifdef RJ_TSAN
	printf("1..0 # SKIP ThreadSanitizer shadows every byte of a mapping\n");
	return sizeof(tests) ? 0 : 1;
#else
	return cmocka_run_group_tests_name("sparse", tests, NULL, NULL);
#endif
}
