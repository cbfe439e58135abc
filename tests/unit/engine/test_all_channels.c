/* SPDX-License-Identifier: BSD-3-Clause */
/* As many channels as there may be, on however few processors. */
#include "tests/unit/cmocka_all.h"

#include "tests/unit/engine/wide_vm.h"

#define PAGES 16384u /* 64 MiB: every channel gets some */

static void write_again(struct wide_vm *source)
{
	for (uint64_t page = 0; page < PAGES; page += 5)
		wide_vm_write(source, 0, page, 2);
}

static void move_with(uint32_t backend)
{
	const struct wide_block block = { .pages = PAGES };
	struct wide_move move = { .params = { RAMJET_PARAMS_INIT } };

	assert_null(wide_vm_init(&move.source, &block, 1, true));
	assert_null(wide_vm_init(&move.target, &block, 1, false));
	for (uint64_t page = 0; page < PAGES; page++)
		wide_vm_write(&move.source, 0, page, 1);
	move.params.channels = RAMJET_CHANNELS_MAX;
	move.params.backend = backend;
	move.meanwhile = write_again;
	wide_move(&move);
	print_message("# %u channels: %llu ms, setup %llu ms\n",
		      RAMJET_CHANNELS_MAX, (unsigned long long)move.us / 1000,
		      (unsigned long long)move.info->setup_us / 1000);
	assert_int_equal(move.info->channel_count, RAMJET_CHANNELS_MAX);
	for (uint64_t page = 0; page < PAGES; page++)
		wide_move_expect(&move, 0, page);
	wide_move_done(&move);
}

static void with_rings(void **state)
{
	(void)state;
	move_with(RAMJET_BACKEND_AUTO);
}

static void with_system_calls(void **state)
{
	(void)state;
	move_with(RAMJET_BACKEND_SYSCALLS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_rings),
		cmocka_unit_test(with_system_calls),
	};

	return cmocka_run_group_tests_name("all_channels", tests, NULL, NULL);
}
