/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks of 12 TiB, a few MiB of which were ever written: what was not costs
 * neither time nor memory worth speaking of. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>

#include "dirty/bitmap.h"
#include "tests/unit/engine/wide_vm.h"

/* Not a whole number of chunks. */
#define PAGES  ((UINT64_C(12) << 40) / RAMJET_PAGE_BYTES + 1)
#define PLACES 64u
#define RUN    33u /* pages at each: 8 MiB in all */

/* Odd ones, the first and the last among them; never in the middle of what
 * another place has. */
static uint64_t place(unsigned i)
{
	return i == PLACES - 1 ? PAGES - RUN
			       : i * (PAGES / PLACES) + i * UINT64_C(7919);
}

static void write_again(struct wide_vm *source)
{
	for (unsigned i = 0; i < PLACES; i += 3) {
		wide_vm_write(source, 0, place(i) + RUN / 2, 2);
		/* Where nothing was. */
		if (i + 1 < PLACES)
			wide_vm_write(source, 0, place(i) + UINT64_C(123457),
				      3);
	}
}

static void expect_pages(const struct wide_move *move)
{
	for (unsigned i = 0; i < PLACES; i++) {
		for (unsigned page = 0; page < RUN; page++)
			wide_move_expect(move, 0, place(i) + page);
		if (i % 3 == 0 && i + 1 < PLACES)
			wide_move_expect(move, 0, place(i) + UINT64_C(123457));
	}
}

static void run(bool shared)
{
	const struct wide_block block = { .pages = PAGES, .shared = shared };
	struct wide_move move = { .params = { RAMJET_PARAMS_INIT } };
	const char *refused = wide_vm_init(&move.source, &block, 1, true);

	if (!refused)
		refused = wide_vm_init(&move.target, &block, 1, false);
	if (refused) {
		print_message("# SKIP 12 TiB: %s\n", refused);
		skip();
	}
	for (unsigned i = 0; i < PLACES; i++)
		for (unsigned page = 0; page < RUN; page++)
			wide_vm_write(&move.source, 0, place(i) + page, 1);
	move.params.channels = 3;
	move.meanwhile = write_again;
	wide_move(&move);
	print_message("# 12 TiB %s: %llu ms, setup %llu ms\n",
		      shared ? "shared" : "private",
		      (unsigned long long)move.us / 1000,
		      (unsigned long long)move.info->setup_us / 1000);
	assert_in_range(move.info->ram_unpopulated_pages,
			PAGES - (uint64_t)2 * PLACES * RUN, PAGES);
	expect_pages(&move);
	wide_move_done(&move);
}

static void private_memory(void **state)
{
	(void)state;
	run(false);
}

static void shared_memory(void **state)
{
	(void)state;
	run(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_memory),
		cmocka_unit_test(shared_memory),
	};

#ifdef RJ_TSAN
	printf("1..0 # SKIP ThreadSanitizer shadows every byte of a mapping\n");
	return sizeof(tests) ? 0 : 1;
#else
	return cmocka_run_group_tests_name("huge_blocks", tests, NULL, NULL);
#endif
}
