/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/guest/huge_pool.h"

static char root[] = "/tmp/ramjet-pool-XXXXXX";
static const char folder[] = "/sys/kernel/mm/hugepages/hugepages-2048kB";

static void make_folders(void)
{
	char path[512];

	assert_non_null(mkdtemp(root));
	for (size_t i = 1; i <= strlen(folder); i++)
		if (folder[i] == '/' || !folder[i]) {
			(void)snprintf(path, sizeof(path), "%s%.*s", root,
				       (int)i, folder);
			assert_int_equal(mkdir(path, 0700), 0);
		}
}

static void say(const char *name, const char *number)
{
	char path[512];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s%s/%s", root, folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(number, file) >= 0);
	(void)fclose(file);
}

/* What is promised to others cannot be had, however free it is. */
static void reserved_pages_are_not_to_be_had(void **state)
{
	struct rj_huge_pool pool;
	char text[256];

	(void)state;
	rj_huge_pool_read(root, 2u << 20, &pool);
	assert_int_equal(rj_huge_pool_available(&pool), 0);
	say("free_hugepages", "100\n");
	say("resv_hugepages", "97\n");
	rj_huge_pool_read(root, 2u << 20, &pool);
	assert_int_equal(rj_huge_pool_available(&pool), 3);
	rj_huge_pool_describe(&pool, 2u << 20, text, sizeof(text));
	assert_string_equal(text, "3 pages of 2048 KiB can be had (100 are "
				  "free, 97 of them reserved for others, and 0 "
				  "could be added)");
	say("nr_overcommit_hugepages", "10\n");
	say("surplus_hugepages", "4\n");
	rj_huge_pool_read(root, 2u << 20, &pool);
	assert_int_equal(rj_huge_pool_available(&pool), 9);
	say("resv_hugepages", "1000\n");
	rj_huge_pool_read(root, 2u << 20, &pool);
	assert_int_equal(rj_huge_pool_available(&pool), 0);
	/* Other sizes have pools of their own. */
	rj_huge_pool_read(root, 1u << 30, &pool);
	assert_int_equal(rj_huge_pool_available(&pool), 0);
}

static int teardown(void **state)
{
	char command[600];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command) ? -1 : 0;
}

static int setup(void **state)
{
	(void)state;
	make_folders();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reserved_pages_are_not_to_be_had),
	};

	return cmocka_run_group_tests_name("huge_pool", tests, setup, teardown);
}
