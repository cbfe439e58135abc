/* SPDX-License-Identifier: BSD-3-Clause */
/* Machines and control groups of our own making, below a folder that stands for
 * "/". */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/fake_root.h"
#include "util/memory_limit.h"

#define MIB (UINT64_C(1) << 20)
#define TWO "30 23 0:26 / /cg rw shared:4 - cgroup2 cgroup2 rw\n"
#define ONE "31 23 0:27 / /v1 rw shared:5 - cgroup cgroup rw,memory\n"
#define MEMORY                          \
	"MemTotal:        8388608 kB\n" \
	"MemFree:          102400 kB\n" \
	"MemAvailable:    4194304 kB\n" \
	"SwapTotal:             0 kB\n" \
	"SwapFree:              0 kB\n"

static void expect(const char *root, uint64_t available, uint64_t limit,
		   const char *by)
{
	struct rj_memory_limit found;

	rj_memory_limit_of(root, &found);
	assert_int_equal(found.available, available);
	assert_string_equal(found.by, by);
	if (available != UINT64_MAX) {
		assert_int_equal(found.limit, limit);
		assert_int_equal(found.used, limit - available);
	}
}

static void what_is_not_known_limits_nothing(void **state)
{
	expect(*state, UINT64_MAX, 0, "nothing that is known");
}

static void the_machine_limits_with_its_swap(void **state)
{
	fake_root_put(*state, "proc/meminfo", MEMORY);
	expect(*state, 4096 * MIB, 8192 * MIB, "the machine");
	fake_root_put(
		*state, "proc/meminfo",
		"MemTotal: 1024 kB\nMemAvailable: 512 kB\nSwapFree: 256 kB\n");
	expect(*state, 768 << 10, MIB, "the machine");
}

static void a_group_of_version_2_limits(void **state)
{
	fake_root_put(*state, "proc/meminfo", MEMORY);
	fake_root_put(*state, "proc/self/cgroup", "0::/a/b\n");
	fake_root_put(*state, "proc/self/mountinfo", TWO);
	fake_root_put(*state, "cg/a/b/memory.max", "max\n");
	fake_root_put(*state, "cg/a/b/memory.current", "104857600\n");
	expect(*state, 4096 * MIB, 8192 * MIB, "the machine");
	/* The one above: its page cache can be had back, tmpfs cannot. */
	fake_root_put(*state, "cg/a/memory.max", "268435456\n");
	fake_root_put(*state, "cg/a/memory.current", "167772160\n");
	fake_root_put(
		*state, "cg/a/memory.stat",
		"anon 1\nfile 94371840\nshmem 62914560\ninactive_anon 62914560\n"
		"inactive_file 20971520\nactive_file 10485760\n");
	expect(*state, 126 * MIB, 256 * MIB, "a memory cgroup");
	/* Over its limit already. */
	fake_root_put(*state, "cg/a/memory.current", "368435456\n");
	fake_root_put(*state, "cg/a/memory.stat", "anon 1\n");
	fake_root_put(*state, "cg/a/memory.max", "368435456\n");
	expect(*state, 0, 368435456, "a memory cgroup");
}

static void swap_of_a_group_counts_as_far_as_there_is_any(void **state)
{
	struct rj_memory_limit found;

	fake_root_put(*state, "proc/meminfo",
		      "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n"
		      "SwapFree: 65536 kB\n");
	fake_root_put(*state, "proc/self/cgroup", "0::/a\n");
	fake_root_put(*state, "proc/self/mountinfo", TWO);
	fake_root_put(*state, "cg/a/memory.max", "104857600\n");
	fake_root_put(*state, "cg/a/memory.current", "0\n");
	fake_root_put(*state, "cg/a/memory.swap.max", "33554432\n");
	fake_root_put(*state, "cg/a/memory.swap.current", "0\n");
	rj_memory_limit_of(*state, &found);
	assert_int_equal(found.available, 132 * MIB);
	fake_root_put(*state, "cg/a/memory.swap.max", "max\n");
	rj_memory_limit_of(*state, &found);
	assert_int_equal(found.available, 164 * MIB);
}

static void a_group_of_version_1_limits(void **state)
{
	fake_root_put(*state, "proc/meminfo", MEMORY);
	fake_root_put(*state, "proc/self/cgroup",
		      "4:memory:/box\n1:cpu:/\n0::/\n");
	fake_root_put(*state, "proc/self/mountinfo", ONE);
	fake_root_put(*state, "v1/box/memory.limit_in_bytes",
		      "9223372036854771712\n");
	fake_root_put(*state, "v1/box/memory.usage_in_bytes", "20971520\n");
	expect(*state, 4096 * MIB, 8192 * MIB, "the machine");
	fake_root_put(*state, "v1/box/memory.limit_in_bytes", "104857600\n");
	fake_root_put(*state, "v1/box/memory.stat",
		      "inactive_file 0\ntotal_inactive_file 5242880\n"
		      "total_active_file 5242880\n");
	expect(*state, 90 * MIB, 100 * MIB, "a memory cgroup");
}

int main(void)
{
#define CASE(f) \
	cmocka_unit_test_setup_teardown(f, fake_root_setup, fake_root_teardown)
	const struct CMUnitTest tests[] = {
		CASE(what_is_not_known_limits_nothing),
		CASE(the_machine_limits_with_its_swap),
		CASE(a_group_of_version_2_limits),
		CASE(swap_of_a_group_counts_as_far_as_there_is_any),
		CASE(a_group_of_version_1_limits),
	};

	return cmocka_run_group_tests_name("memory_limit", tests, NULL, NULL);
}
