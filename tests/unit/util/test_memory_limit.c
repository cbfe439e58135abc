/* SPDX-License-Identifier: BSD-3-Clause */
/* Machines and control groups of our own making, below a folder that stands for
 * "/". */
#include "tests/unit/cmocka_all.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static int setup(void **state)
{
	char name[] = "/tmp/rj-memory-limit-XXXXXX";

	*state = mkdtemp(name) ? strdup(name) : NULL;
	return *state ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	const int rc = nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return rc;
}

/* With the folders on the way there. */
static void put(const char *root, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *at = strchr(path + strlen(root) + 1, '/'); at;
	     at = strchr(at + 1, '/')) {
		*at = '\0';
		(void)mkdir(path, 0700);
		*at = '/';
	}
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

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
	put(*state, "proc/meminfo", MEMORY);
	expect(*state, 4096 * MIB, 8192 * MIB, "the machine");
	put(*state, "proc/meminfo",
	    "MemTotal: 1024 kB\nMemAvailable: 512 kB\nSwapFree: 256 kB\n");
	expect(*state, 768 << 10, MIB, "the machine");
}

static void a_group_of_version_2_limits(void **state)
{
	put(*state, "proc/meminfo", MEMORY);
	put(*state, "proc/self/cgroup", "0::/a/b\n");
	put(*state, "proc/self/mountinfo", TWO);
	put(*state, "cg/a/b/memory.max", "max\n");
	put(*state, "cg/a/b/memory.current", "104857600\n");
	expect(*state, 4096 * MIB, 8192 * MIB, "the machine");
	/* The one above: its page cache can be had back, tmpfs cannot. */
	put(*state, "cg/a/memory.max", "268435456\n");
	put(*state, "cg/a/memory.current", "167772160\n");
	put(*state, "cg/a/memory.stat",
	    "anon 1\nfile 94371840\nshmem 62914560\ninactive_anon 62914560\n"
	    "inactive_file 20971520\nactive_file 10485760\n");
	expect(*state, 126 * MIB, 256 * MIB, "a memory cgroup");
	/* Over its limit already. */
	put(*state, "cg/a/memory.current", "368435456\n");
	put(*state, "cg/a/memory.stat", "anon 1\n");
	put(*state, "cg/a/memory.max", "368435456\n");
	expect(*state, 0, 368435456, "a memory cgroup");
}

static void swap_of_a_group_counts_as_far_as_there_is_any(void **state)
{
	struct rj_memory_limit found;

	put(*state, "proc/meminfo",
	    "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n"
	    "SwapFree: 65536 kB\n");
	put(*state, "proc/self/cgroup", "0::/a\n");
	put(*state, "proc/self/mountinfo", TWO);
	put(*state, "cg/a/memory.max", "104857600\n");
	put(*state, "cg/a/memory.current", "0\n");
	put(*state, "cg/a/memory.swap.max", "33554432\n");
	put(*state, "cg/a/memory.swap.current", "0\n");
	rj_memory_limit_of(*state, &found);
	assert_int_equal(found.available, 132 * MIB);
	put(*state, "cg/a/memory.swap.max", "max\n");
	rj_memory_limit_of(*state, &found);
	assert_int_equal(found.available, 164 * MIB);
}

static void a_group_of_version_1_limits(void **state)
{
	put(*state, "proc/meminfo", MEMORY);
	put(*state, "proc/self/cgroup", "4:memory:/box\n1:cpu:/\n0::/\n");
	put(*state, "proc/self/mountinfo", ONE);
	put(*state, "v1/box/memory.limit_in_bytes", "9223372036854771712\n");
	put(*state, "v1/box/memory.usage_in_bytes", "20971520\n");
	expect(*state, 4096 * MIB, 8192 * MIB, "the machine");
	put(*state, "v1/box/memory.limit_in_bytes", "104857600\n");
	put(*state, "v1/box/memory.stat",
	    "inactive_file 0\ntotal_inactive_file 5242880\n"
	    "total_active_file 5242880\n");
	expect(*state, 90 * MIB, 100 * MIB, "a memory cgroup");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(what_is_not_known_limits_nothing),
		CASE(the_machine_limits_with_its_swap),
		CASE(a_group_of_version_2_limits),
		CASE(swap_of_a_group_counts_as_far_as_there_is_any),
		CASE(a_group_of_version_1_limits),
	};

	return cmocka_run_group_tests_name("memory_limit", tests, NULL, NULL);
}
