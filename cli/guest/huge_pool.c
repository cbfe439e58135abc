/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest/huge_pool.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t read_number(const char *root, uint64_t page_bytes,
			    const char *name)
{
	uint64_t number = 0;
	char path[4096];
	FILE *file;

	(void)snprintf(path, sizeof(path),
		       "%s/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/%s",
		       root, page_bytes >> 10, name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64, &number) != 1)
		number = 0;
	(void)fclose(file);
	return number;
}

void rj_huge_pool_read(const char *root, uint64_t page_bytes,
		       struct rj_huge_pool *ret)
{
	const uint64_t most =
		read_number(root, page_bytes, "nr_overcommit_hugepages");
	const uint64_t surplus =
		read_number(root, page_bytes, "surplus_hugepages");

	*ret = (struct rj_huge_pool){
		.free = read_number(root, page_bytes, "free_hugepages"),
		.reserved = read_number(root, page_bytes, "resv_hugepages"),
		.more = most > surplus ? most - surplus : 0,
	};
}

uint64_t rj_huge_pool_available(const struct rj_huge_pool *pool)
{
	const uint64_t pages = pool->free + pool->more;

	return pages > pool->reserved ? pages - pool->reserved : 0;
}

void rj_huge_pool_describe(const struct rj_huge_pool *pool, uint64_t page_bytes,
			   char *text, size_t bytes)
{
	(void)snprintf(text, bytes,
		       "%" PRIu64 " pages of %" PRIu64
		       " KiB can be had (%" PRIu64 " are free, %" PRIu64
		       " of them reserved for others, and "
		       "%" PRIu64 " could be added)",
		       rj_huge_pool_available(pool), page_bytes >> 10,
		       pool->free, pool->reserved, pool->more);
}
