/* SPDX-License-Identifier: BSD-3-Clause */
/* A thousand blocks, as of a guest whose memory was plugged in by and by, none
 * of which is a whole number of chunks. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>

#include "dirty/bitmap.h"
#include "tests/unit/engine/wide_vm.h"

#define BLOCKS 1000u

/* One page, some, a chunk less a page, a chunk and a page, ...; every third
 * block in a file. */
static uint64_t pages_of(unsigned block)
{
	static const uint64_t pages[] = {
		1,
		3,
		63,
		65,
		RJ_CHUNK_PAGES - 1,
		RJ_CHUNK_PAGES + 1,
		2 * RJ_CHUNK_PAGES + 77,
	};

	return pages[block % (sizeof(pages) / sizeof(*pages))];
}

static void make(struct wide_vm *vm, bool tracked)
{
	struct wide_block blocks[BLOCKS] = { { 0 } };
	const char *refused;

	for (unsigned i = 0; i < BLOCKS; i++)
		blocks[i] = (struct wide_block){ .pages = pages_of(i),
						 .shared = i % 3 == 1 };
	refused = wide_vm_init(vm, blocks, BLOCKS, tracked);
	if (refused)
		fail_msg("%s", refused);
}

/* The first and the last page of each, and one in between. */
static uint64_t page_in(unsigned block, unsigned which)
{
	return (pages_of(block) - 1) * which / 2;
}

static void write_again(struct wide_vm *source)
{
	for (unsigned i = 0; i < BLOCKS; i += 2)
		wide_vm_write(source, i, page_in(i, 2), 2);
}

static void a_thousand_blocks_move(void **state)
{
	struct wide_move move = { .params = { RAMJET_PARAMS_INIT } };

	(void)state;
	make(&move.source, true);
	make(&move.target, false);
	for (unsigned i = 0; i < BLOCKS; i++)
		for (unsigned which = 0; which < 3; which++)
			wide_vm_write(&move.source, i, page_in(i, which), 1);
	move.params.channels = 4;
	move.meanwhile = write_again;
	wide_move(&move);
	print_message("# %u blocks: %llu ms, setup %llu ms\n", BLOCKS,
		      (unsigned long long)move.us / 1000,
		      (unsigned long long)move.info->setup_us / 1000);
	for (unsigned i = 0; i < BLOCKS; i++)
		for (unsigned which = 0; which < 3; which++)
			wide_move_expect(&move, i, page_in(i, which));
	wide_move_done(&move);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_blocks_move),
	};

	return cmocka_run_group_tests_name("many_blocks", tests, NULL, NULL);
}
