/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUEST_HUGE_POOL_H
#define RJ_CLI_GUEST_HUGE_POOL_H
/* The kernel's pool of huge pages, for messages: what is really to be had. */
#include <stddef.h>
#include <stdint.h>

struct rj_huge_pool {
	uint64_t free;     /* pages that are not in use, */
	uint64_t reserved; /* of these, pages that are reserved by others; */
	/* pages that the kernel may add when they are needed */
	uint64_t more;
};

/* Of pages of so many bytes; what cannot be read is 0. `root` is put before
 * every path: "", but for tests. */
void rj_huge_pool_read(const char *root, uint64_t page_bytes,
		       struct rj_huge_pool *ret);
/* What can be had of it. */
uint64_t rj_huge_pool_available(const struct rj_huge_pool *pool);
/* "3 pages of 2048 KiB can be had (5 are free, 2 of them reserved ...)" */
void rj_huge_pool_describe(const struct rj_huge_pool *pool, uint64_t page_bytes,
			   char *text, size_t bytes);
#endif
