/* SPDX-License-Identifier: BSD-3-Clause */
/* A kernel that has no PAGEMAP_SCAN. */
#include <errno.h>

#include "dirty/pagescan.h"

int __wrap_rj_pagescan_run(struct rj_pagescan *scan,
			   const struct rj_pagescan_query *query,
			   const uint8_t *host, uint64_t page_count,
			   rj_pagescan_fn *fn, void *user,
			   struct ramjet_error *err);
int __wrap_rj_pagescan_run(struct rj_pagescan *scan,
			   const struct rj_pagescan_query *query,
			   const uint8_t *host, uint64_t page_count,
			   rj_pagescan_fn *fn, void *user,
			   struct ramjet_error *err)
{
	(void)scan, (void)query, (void)host, (void)page_count, (void)fn;
	(void)user, (void)err;
	return -EOPNOTSUPP;
}
