/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/pagescan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "util/cleanup.h"
#include "util/error.h"

/* Runs a system call delivers: 1.5 MiB of them. */
#define VEC_RUNS (64u << 10)

int rj_pagescan_open(struct rj_pagescan *scan, struct ramjet_error *err)
{
	/* Zeroed, which costs nothing here: valgrind does not know that
	 * PAGEMAP_SCAN fills it. */
	rj_autofree struct rj_page_region *vec = calloc(VEC_RUNS, sizeof(*vec));
	int fd;

	if (!vec)
		return rj_fail(err, -ENOMEM, "page scan: out of memory");
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return rj_fail_errno(err, -errno, "/proc/self/pagemap");
	*scan = (struct rj_pagescan){ .fd = fd, .vec = rj_steal(vec) };
	return 0;
}

void rj_pagescan_close(struct rj_pagescan *scan)
{
	rj_close_fd(&scan->fd);
	free(scan->vec);
	scan->vec = NULL;
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

int rj_pagescan_run(struct rj_pagescan *scan,
		    const struct rj_pagescan_query *query, const uint8_t *host,
		    uint64_t page_count, rj_pagescan_fn *fn, void *user,
		    struct ramjet_error *err)
{
	struct rj_pm_scan_arg arg = {
		.size = sizeof(arg),
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

	while (arg.start < arg.end) {
		int runs = ioctl(scan->fd, RJ_PAGEMAP_SCAN, &arg);
		int rc = runs < 0 ? -errno : 0;

		if (rc)
			return scan_failed(rc, err);
		if (fn)
			rc = deliver(scan, runs, host, fn, user, err);
		if (rc < 0)
			return rc;
		if (arg.walk_end <= arg.start)
			return rj_fail(
				err, -EIO,
				"PAGEMAP_SCAN: came no further than %#llx",
				(unsigned long long)arg.start);
		arg.start = arg.walk_end;
	}
	return 0;
}
