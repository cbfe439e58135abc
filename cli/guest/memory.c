/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "cli/base/parallel.h"
#include "cli/guest/huge_pool.h"
#include "cli/guest/spread.h"
#include "util/error.h"
#include "util/memory_limit.h"

#define HUGE_SHIFT 21
#define HUGE_BYTES (UINT64_C(1) << HUGE_SHIFT)

static int map_failed(uint64_t bytes, enum rj_cli_pages pages, int code,
		      struct ramjet_error *err)
{
	struct rj_huge_pool pool;
	char what[256];

	rj_huge_pool_read("", HUGE_BYTES, &pool);
	rj_huge_pool_describe(&pool, HUGE_BYTES, what, sizeof(what));
	if (pages == RJ_CLI_PAGES_2M)
		return rj_fail(err, code,
			       "guest memory: pages=2M: of the pool, %s, "
			       "wanted %llu (see /proc/sys/vm/nr_hugepages)",
			       what, (unsigned long long)(bytes >> HUGE_SHIFT));
	return rj_fail_errno(err, code, "guest memory: mmap of %llu bytes",
			     (unsigned long long)bytes);
}

int rj_cli_memory_fits(const struct rj_cli_guest_spec *spec, bool source,
		       struct ramjet_error *err)
{
	const uint64_t cost = rj_cli_spread_cost(spec);
	struct rj_memory_limit limit;

	/* Huge pages come from a pool that is asked when they are mapped. */
	if (spec->pages == RJ_CLI_PAGES_2M || (!source && !spec->prealloc))
		return 0;
	rj_memory_limit_read(&limit);
	if (cost <= limit.available)
		return 0;
	return rj_fail(err, -ENOMEM,
		       "guest %s: it would take %llu MiB of memory, %llu MiB "
		       "are to be had (%s has %llu MiB, %llu in use); wanted a "
		       "smaller size=%s",
		       spec->kind, (unsigned long long)(cost >> 20),
		       (unsigned long long)(limit.available >> 20), limit.by,
		       (unsigned long long)(limit.limit >> 20),
		       (unsigned long long)(limit.used >> 20),
		       spec->prealloc ? ", or no prealloc=1"
				      : ", or used= for a part of it");
}

int rj_cli_memory_map(uint64_t bytes, enum rj_cli_pages pages,
		      struct rj_cli_memory *ret, struct ramjet_error *err)
{
	struct rj_cli_memory memory = { .bytes = bytes,
					.page_bytes = RAMJET_PAGE_BYTES };
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uintptr_t start;

	memory.mapping_bytes = bytes + HUGE_BYTES;
	if (pages == RJ_CLI_PAGES_2M) {
		/* Reserving makes a short pool an error here, not a SIGBUS. */
		flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
			HUGE_SHIFT << MAP_HUGE_SHIFT;
		memory.mapping_bytes = bytes;
		memory.page_bytes = HUGE_BYTES;
	}
	memory.mapping = mmap(NULL, memory.mapping_bytes,
			      PROT_READ | PROT_WRITE, flags, -1, 0);
	if (memory.mapping == MAP_FAILED)
		return map_failed(bytes, pages, -errno, err);
	start = ((uintptr_t)memory.mapping + HUGE_BYTES - 1) &
		~(uintptr_t)(HUGE_BYTES - 1);
	memory.host =
		(uint8_t *)memory.mapping + (start - (uintptr_t)memory.mapping);
	/* Kernels without transparent huge pages refuse both advices. */
	if (pages != RJ_CLI_PAGES_2M)
		(void)madvise(memory.host, bytes,
			      pages == RJ_CLI_PAGES_THP ? MADV_HUGEPAGE
							: MADV_NOHUGEPAGE);
	*ret = memory;
	return 0;
}

static int populate_part(void *user, uint64_t first, uint64_t count,
			 struct ramjet_error *err)
{
	const struct rj_cli_memory *memory = user;

	if (!madvise(memory->host + first * memory->page_bytes,
		     count * memory->page_bytes, MADV_POPULATE_WRITE))
		return 0;
	return rj_fail_errno(err, -errno,
			     "guest memory: prealloc=1 of %llu bytes",
			     (unsigned long long)memory->bytes);
}

int rj_cli_memory_populate(const struct rj_cli_memory *memory,
			   struct ramjet_error *err)
{
	return rj_cli_parallel(memory->bytes / memory->page_bytes,
			       populate_part, (void *)memory, err);
}

void rj_cli_memory_unmap(struct rj_cli_memory *memory)
{
	if (memory->mapping)
		(void)munmap(memory->mapping, memory->mapping_bytes);
	memory->mapping = NULL;
	memory->host = NULL;
}
