/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/pagescan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "util/cleanup.h"
#include "util/error.h"

/* Runs a system call delivers: 1.5 MiB of them. Chosen: at worst, where every
 * other page is a run, 512 MiB of memory a call. */
#define VEC_RUNS  (64u << 10)
#define VEC_BYTES (VEC_RUNS * sizeof(struct rj_page_region))

static int open_pagemap(struct ramjet_error *err)
{
	const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? rj_fail_errno(err, -errno, "/proc/self/pagemap") : fd;
}

static int duplicate(int fd, struct ramjet_error *err)
{
	const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? rj_fail_errno(err, -errno,
					"page scan: a copy of "
					"the pagemap's descriptor")
			: copy;
}

static int allocate(struct rj_pagescan *scan, struct ramjet_error *err)
{
	/* Mapped anew, so zeroed where it is used and only there: valgrind does
	 * not know that PAGEMAP_SCAN fills it, and malloc() would zero all that
	 * it has had before, for each block or window that is looked at. */
	void *vec = mmap(NULL, VEC_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (vec == MAP_FAILED)
		return rj_fail(err, -ENOMEM, "page scan: out of memory");
	scan->vec = vec;
	return 0;
}

static void release(struct rj_pagescan *scan)
{
	if (scan->vec)
		(void)munmap(scan->vec, VEC_BYTES);
	scan->vec = NULL;
}

/* `fd` is taken; negative: it could not be had. */
static int open_with(struct rj_pagescan *scan, int fd, struct ramjet_error *err)
{
	*scan = (struct rj_pagescan)RJ_PAGESCAN_NONE;
	scan->fd = fd;
	if (fd < 0)
		return fd;
	if (!allocate(scan, err))
		return 0;
	rj_close_fd(&scan->fd);
	return -ENOMEM;
}

int rj_pagescan_open(struct rj_pagescan *scan, struct ramjet_error *err)
{
	return open_with(scan, open_pagemap(err), err);
}

int rj_pagescan_open_at(struct rj_pagescan *scan, int pagemap_fd,
			struct ramjet_error *err)
{
	return open_with(scan, duplicate(pagemap_fd, err), err);
}

void rj_pagescan_close(struct rj_pagescan *scan)
{
	rj_close_fd(&scan->fd);
	release(scan);
}

static int scan_failed(int rc, struct ramjet_error *err)
{
	switch (rc) {
	case -ENOTTY:
		return rj_fail(err, -EOPNOTSUPP,
			       "PAGEMAP_SCAN: this kernel has none, Linux 6.7 "
			       "is wanted");
	case -EPERM:
		return rj_fail(err, rc,
			       "PAGEMAP_SCAN: part of the memory is not "
			       "registered for asynchronous write protection "
			       "(was it mapped anew?)");
	default:
		return rj_fail_errno(err, rc, "PAGEMAP_SCAN");
	}
}

static int deliver(struct rj_pagescan *scan, int runs, const uint8_t *host,
		   rj_pagescan_fn *fn, void *user, struct ramjet_error *err)
{
	for (int i = 0; i < runs; i++) {
		const struct rj_page_region *run = &scan->vec[i];
		uint64_t first = run->start - (uintptr_t)host;
		uint64_t bytes = run->end - run->start;
		int rc;

		scan->categories = run->categories;
		rc = fn(user, first / RAMJET_PAGE_BYTES,
			bytes / RAMJET_PAGE_BYTES, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static struct rj_pm_scan_arg arg_of(const struct rj_pagescan *scan,
				    const struct rj_pagescan_query *query,
				    const uint8_t *host, uint64_t page_count)
{
	return (struct rj_pm_scan_arg){
		.size = sizeof(struct rj_pm_scan_arg),
		.flags = query->flags,
		.start = (uintptr_t)host,
		.end = (uintptr_t)host + page_count * RAMJET_PAGE_BYTES,
		.vec = (uintptr_t)scan->vec,
		.vec_len = VEC_RUNS,
		.category_inverted = query->inverted,
		.category_mask = query->mask,
		.category_anyof_mask = query->anyof,
		.return_mask = query->told,
	};
}

/* From arg->start as far as one call comes: how many runs were found, or an
 * error. The next call goes on there. */
static int scan_on(struct rj_pagescan *scan, struct rj_pm_scan_arg *arg,
		   struct ramjet_error *err)
{
	const int runs = ioctl(scan->fd, RJ_PAGEMAP_SCAN, arg);

	if (runs < 0)
		return scan_failed(-errno, err);
	if (arg->walk_end <= arg->start)
		return rj_fail(err, -EIO,
			       "PAGEMAP_SCAN: came no further than %#llx",
			       (unsigned long long)arg->start);
	arg->start = arg->walk_end;
	return runs;
}

int rj_pagescan_run(struct rj_pagescan *scan,
		    const struct rj_pagescan_query *query, const uint8_t *host,
		    uint64_t page_count, rj_pagescan_fn *fn, void *user,
		    struct ramjet_error *err)
{
	struct rj_pm_scan_arg arg = arg_of(scan, query, host, page_count);

	while (arg.start < arg.end) {
		const int runs = scan_on(scan, &arg, err);
		const int rc = runs > 0 && fn ? deliver(scan, runs, host, fn,
							user, err)
					      : runs;

		if (rc < 0)
			return rc;
	}
	return 0;
}

int rj_pagescan_first(struct rj_pagescan *scan,
		      const struct rj_pagescan_query *query,
		      const uint8_t *host, uint64_t page_count,
		      uint64_t *ret_page, struct ramjet_error *err)
{
	struct rj_pm_scan_arg arg = arg_of(scan, query, host, page_count);
	int runs = 0;

	arg.vec_len = arg.max_pages = 1;
	while (!runs && arg.start < arg.end)
		runs = scan_on(scan, &arg, err);
	if (runs < 0)
		return runs;
	*ret_page = runs ? (scan->vec[0].start - (uintptr_t)host) /
				    RAMJET_PAGE_BYTES
			 : page_count;
	return 0;
}

/* ---- a pool ------------------------------------------------------------ */

static int open_pool(struct rj_scan_pool *pool, int fd)
{
	if (fd < 0)
		return fd;
	*pool = (struct rj_scan_pool){ .fd = fd, .opened = true };
	rj_mutex_init(&pool->lock);
	return 0;
}

int rj_scan_pool_open(struct rj_scan_pool *pool, struct ramjet_error *err)
{
	return open_pool(pool, open_pagemap(err));
}

int rj_scan_pool_open_at(struct rj_scan_pool *pool, int pagemap_fd,
			 struct ramjet_error *err)
{
	return open_pool(pool, duplicate(pagemap_fd, err));
}

static void free_scan(struct rj_pagescan *scan)
{
	release(scan);
	free(scan);
}

void rj_scan_pool_close(struct rj_scan_pool *pool)
{
	struct rj_pagescan *scan, *next;

	if (!pool->opened)
		return;
	rj_mutex_done(&pool->lock);
	for (scan = pool->idle; scan; scan = next) {
		next = scan->next;
		free_scan(scan);
	}
	rj_close_fd(&pool->fd);
	*pool = (struct rj_scan_pool){ .fd = -1 };
}

struct rj_pagescan *rj_scan_pool_take(struct rj_scan_pool *pool,
				      struct ramjet_error *err)
{
	struct rj_pagescan *scan;

	rj_lock(&pool->lock);
	scan = pool->idle;
	if (scan)
		pool->idle = scan->next;
	rj_unlock(&pool->lock);
	if (scan)
		return scan;
	scan = calloc(1, sizeof(*scan));
	if (!scan || allocate(scan, err)) {
		free(scan);
		(void)rj_fail(err, -ENOMEM, "page scan: out of memory");
		return NULL;
	}
	scan->fd = pool->fd;
	return scan;
}

void rj_scan_pool_give(struct rj_scan_pool *pool, struct rj_pagescan *scan)
{
	rj_lock(&pool->lock);
	scan->next = pool->idle;
	pool->idle = scan;
	rj_unlock(&pool->lock);
}
