/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the bits of a whole guest lie, and in pages of which size. */
#include "tests/unit/cmocka_all.h"

#include <linux/mempolicy.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dirty/bit_memory.h"
#include "dirty/bitmap.h"
#include "dirty/mark_map.h"

#define PAGE         ((size_t)RAMJET_PAGE_BYTES)
#define BYTES        (16 * PAGE)
#define NO_SUCH_NODE 1000u

/* The policy of an address: that of the task is the default. */
static int policy_at(const void *at, unsigned long *ret_nodes)
{
	unsigned long nodes[16] = { 0 };
	int policy = -1;

	if (syscall(SYS_get_mempolicy, &policy, nodes, 1025, at, MPOL_F_ADDR))
		return -1;
	*ret_nodes = nodes[0];
	return policy;
}

static void expect_preferred(const void *at, bool preferred)
{
	unsigned long nodes = 0;
	const int policy = policy_at(at, &nodes);

	assert_int_equal(policy, preferred ? MPOL_PREFERRED : MPOL_DEFAULT);
	if (preferred)
		assert_int_equal(nodes, 1);
}

static void skip_without_policies(void)
{
	unsigned long nodes;
	int here;

	if (policy_at(&here, &nodes) == MPOL_DEFAULT)
		return;
	printf("# skipped: no memory policies, or one of our own\n");
	skip();
}

static void whole_pages_of_a_part_are_preferred(void **state)
{
	void *memory = NULL;
	char *at;

	(void)state;
	skip_without_policies();
	assert_int_equal(rj_bit_memory_map("test", BYTES, &memory, NULL), 0);
	at = memory;
	rj_bit_memory_prefer(at + 1, 3 * PAGE, 0);
	expect_preferred(at, false);
	expect_preferred(at + PAGE, true);
	expect_preferred(at + 2 * PAGE, true);
	expect_preferred(at + 3 * PAGE, false);
	/* Less than a page, and a node that is not there: nothing happens. */
	rj_bit_memory_prefer(at + 8 * PAGE + 1, PAGE, 0);
	rj_bit_memory_prefer(at + 8 * PAGE, PAGE, NO_SUCH_NODE);
	rj_bit_memory_prefer(at + 8 * PAGE, PAGE, UINT32_MAX);
	expect_preferred(at + 8 * PAGE, false);
	memset(at, 1, BYTES);
	rj_bit_memory_unmap(memory, BYTES);
}

/* A line of the mapping's smaps. */
static bool has_flag(const void *at, const char *flag)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	unsigned long from = 0, to = 0, start, end;
	bool found = false;
	char line[512];

	assert_non_null(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			from = start, to = end;
		if (from <= (uintptr_t)at && (uintptr_t)at < to &&
		    !strncmp(line, "VmFlags:", 8))
			found = strstr(line, flag);
	}
	(void)fclose(smaps);
	return found;
}

/* One touched bit must not cost 2 MiB. */
static void nothing_lies_in_huge_pages(void **state)
{
	struct rj_mark_map marks = { 0 };
	struct rj_bitmap bm = { 0 };

	(void)state;
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK)) {
		printf("# skipped: no transparent huge pages here\n");
		skip();
	}
	assert_int_equal(rj_bitmap_init(&bm, UINT64_C(1) << 28, NULL), 0);
	assert_int_equal(rj_mark_map_init(&marks, UINT64_C(1) << 28, NULL), 0);
	assert_true(has_flag((const void *)bm.words, " nh"));
	assert_true(has_flag((const void *)marks.words, " nh"));
	rj_mark_map_done(&marks);
	rj_bitmap_done(&bm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_pages_of_a_part_are_preferred),
		cmocka_unit_test(nothing_lies_in_huge_pages),
	};

	return cmocka_run_group_tests_name("bit_memory", tests, NULL, NULL);
}
