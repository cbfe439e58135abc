/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_PAGESCAN_H
#define RJ_DIRTY_PAGESCAN_H
/* PAGEMAP_SCAN of this process, or of another: runs of pages of certain
 * categories. */
#include <stdbool.h>

#include "dirty/uapi.h"
#include "ramjet.h"
#include "util/compiler.h"
#include "util/mutex.h"

struct rj_pagescan {
	int fd; /* /proc/self/pagemap, or another process's */
	struct rj_page_region *vec;
	/* While fn runs: the categories of its run, of those to be told. */
	uint64_t categories;
	struct rj_pagescan *next; /* idle, of a pool's */
};
#define RJ_PAGESCAN_NONE \
	{                \
		.fd = -1 \
	}

/* A page matches when, with the bits of `inverted` flipped, it is in all
 * categories of `mask` and, unless `anyof` is 0, in one of `anyof`. */
struct rj_pagescan_query {
	uint64_t flags; /* enum rj_pm_scan */
	uint64_t inverted;
	uint64_t mask;
	uint64_t anyof;
	uint64_t told; /* categories to be told of each run */
};

/* May return a negative errno, which ends the scan. */
typedef int rj_pagescan_fn(void *user, uint64_t first_page, uint64_t count,
			   struct ramjet_error *err);

RJ_NODISCARD int rj_pagescan_open(struct rj_pagescan *scan,
				  struct ramjet_error *err);
/* Of another process: its pagemap, dup'd; every `host` is an address there. */
RJ_NODISCARD int rj_pagescan_open_at(struct rj_pagescan *scan, int pagemap_fd,
				     struct ramjet_error *err);
/* Safe on RJ_PAGESCAN_NONE. */
void rj_pagescan_close(struct rj_pagescan *scan);

/* fn is called for each run of matching pages, in order; page 0 is at host.
 * fn may be NULL: then only the flags have an effect. -EOPNOTSUPP where the
 * kernel has no PAGEMAP_SCAN. One thread at a time. */
RJ_NODISCARD int rj_pagescan_run(struct rj_pagescan *scan,
				 const struct rj_pagescan_query *query,
				 const uint8_t *host, uint64_t page_count,
				 rj_pagescan_fn *fn, void *user,
				 struct ramjet_error *err);

/* The first matching page at or after page 0, or page_count: the kernel looks no
 * further. */
RJ_NODISCARD int rj_pagescan_first(struct rj_pagescan *scan,
				   const struct rj_pagescan_query *query,
				   const uint8_t *host, uint64_t page_count,
				   uint64_t *ret_page,
				   struct ramjet_error *err);

/* Scans for threads that come and go: as many as scan at once, and one
 * descriptor for all. */
struct rj_scan_pool {
	bool opened;
	int fd;
	struct rj_mutex lock;     /* lock order: 8 */
	struct rj_pagescan *idle; /* guarded by lock */
};

RJ_NODISCARD int rj_scan_pool_open(struct rj_scan_pool *pool,
				   struct ramjet_error *err);
/* As rj_pagescan_open_at(). */
RJ_NODISCARD int rj_scan_pool_open_at(struct rj_scan_pool *pool, int pagemap_fd,
				      struct ramjet_error *err);
/* All must have been given back. Safe on a zeroed struct. */
void rj_scan_pool_close(struct rj_scan_pool *pool);
/* Any thread. NULL, with an error, when there is no memory. */
struct rj_pagescan *rj_scan_pool_take(struct rj_scan_pool *pool,
				      struct ramjet_error *err);
void rj_scan_pool_give(struct rj_scan_pool *pool, struct rj_pagescan *scan);
#endif
