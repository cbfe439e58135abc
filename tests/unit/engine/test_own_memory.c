/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a migration needs of memory for itself grows with the guest: docs/scaling.md
 * has the sums. Of address space it is little, and of that only what was used of
 * the guest is ever touched.
 */
#include "tests/unit/cmocka_all.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "dirty/bitmap.h"
#include "tests/unit/engine/wide_vm.h"

#define TIB_PAGES ((UINT64_C(1) << 40) / RAMJET_PAGE_BYTES)
#define LARGE_TIB 12u
#define PLACES    48u /* of a chunk each: 96 MiB */
/* Both sides together: a bit a page is 32 MiB a TiB. The source's two rounds, its
 * two maps of what the VMM tells, four for hot pages, one of
 * what was sent before (deltas), and one for a moment of which
 * a page is used (the trial of digests), and the target's map of what has arrived;
 * and 4 MiB for all that is less than a bit a page. */
#define MAPS      11u
#define MIB_A_TIB (MAPS * 32 + 4)
/* Threads, buffers and what else does not grow; and page tables' worth of maps
 * at each place. */
#define TOUCHED_MIB 48u

/* A line of /proc/self/status, in KiB. */
static uint64_t status_kib(const char *what)
{
	FILE *status = fopen("/proc/self/status", "re");
	unsigned long long kib = 0;
	char line[256];

	assert_non_null(status);
	while (fgets(line, sizeof(line), status))
		if (!strncmp(line, what, strlen(what)))
			(void)sscanf(line + strlen(what), ": %llu", &kib);
	(void)fclose(status);
	assert_true(kib > 0);
	return kib;
}

static uint64_t resident_before, resident_held;

static void note_resident(struct wide_vm *source)
{
	(void)source;
	resident_held = status_kib("RssAnon");
}

static uint64_t place(uint64_t pages, unsigned i)
{
	return i * (pages / PLACES);
}

/* Most address space that a migration took beside the guests, in KiB, as far as
 * it grows with them. Larger guests come later. */
static uint64_t most_kib(uint64_t pages, bool shared)
{
	const struct wide_block block = { .pages = pages, .shared = shared };
	struct wide_move move = { .params = { RAMJET_PARAMS_INIT } };
	const char *refused = wide_vm_init(&move.source, &block, 1, true);
	uint64_t before, most;

	if (!refused)
		refused = wide_vm_init(&move.target, &block, 1, false);
	if (refused) {
		print_message("# SKIP %s\n", refused);
		skip();
	}
	for (unsigned i = 0; i < PLACES; i++)
		for (unsigned page = 0; page < RJ_CHUNK_PAGES; page++)
			wide_vm_write(&move.source, 0, place(pages, i) + page,
				      1);
	move.params.channels = 2;
	/* Else by what the machine has left just then. */
	move.params.delta_cache_bytes = 16u << 20;
	move.meanwhile = note_resident;
	before = status_kib("VmSize");
	resident_before = status_kib("RssAnon");
	wide_move(&move);
	most = status_kib("VmPeak");
	assert_true(most > before);
	for (unsigned i = 0; i < PLACES; i++)
		wide_move_expect(&move, 0, place(pages, i));
	wide_move_done(&move);
	return most - before;
}

static void address_space_is_bounded(bool shared)
{
	const uint64_t small = most_kib(TIB_PAGES, shared);
	const uint64_t large = most_kib(LARGE_TIB * TIB_PAGES, shared);
	const uint64_t a_tib = (large - small) / (LARGE_TIB - 1);

	print_message("# %llu MiB a TiB, both sides\n",
		      (unsigned long long)a_tib >> 10);
	assert_in_range(a_tib, 1, MIB_A_TIB << 10);
}

static void of_private_memory(void **state)
{
	(void)state;
	address_space_is_bounded(false);
}

/* Memory in a file is not counted as this process's own: what is left are the
 * migration's maps, of both sides. */
static void what_is_not_used_is_not_touched(void **state)
{
	(void)state;
	(void)most_kib(LARGE_TIB * TIB_PAGES, true);
	print_message("# %llu KiB touched when it could go\n",
		      (unsigned long long)(resident_held - resident_before));
	assert_in_range(resident_held, resident_before,
			resident_before + (TOUCHED_MIB << 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_private_memory),
		cmocka_unit_test(what_is_not_used_is_not_touched),
	};

	/* Each thread would reserve 64 MiB of addresses. */
	(void)mallopt(M_ARENA_MAX, 1);
#if defined(RJ_TSAN) || defined(__SANITIZE_ADDRESS__)
	printf("1..0 # SKIP the sanitizer's own memory grows as well\n");
	return sizeof(tests) ? 0 : 1;
#else
	return cmocka_run_group_tests_name("own_memory", tests, NULL, NULL);
#endif
}
