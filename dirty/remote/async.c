/* SPDX-License-Identifier: BSD-3-Clause */
/* Linux 6.7: the kernel lifts the protection, and PAGEMAP_SCAN tells. */
#include "dirty/remote/walk.h"
#include "dirty/write_protect.h"

static int on_run(void *user, uint64_t first, uint64_t count,
		  struct ramjet_error *err)
{
	struct rj_remote_walk *w = user;

	return w->fn(w, w->first_page + first, count, w->scan->categories, err);
}

static int scan(struct rj_remote_walk *w, const struct rj_pagescan_query *query,
		const struct rj_page_run *pages, rj_remote_walk_fn *fn,
		struct ramjet_error *err)
{
	/* Not ours: an address in that process. */
	const void *at = (const void *)(uintptr_t)rj_remote_address(
		w->range, pages->first);

	w->fn = fn;
	w->first_page = pages->first;
	return rj_pagescan_run(w->scan, query, at, pages->count, on_run, w,
			       err);
}

static int take_written(struct rj_remote_walk *w,
			const struct rj_page_run *pages, rj_remote_walk_fn *fn,
			struct ramjet_error *err)
{
	return scan(w, &rj_wp_written_and_protect, pages, fn, err);
}

static int tell_all(struct rj_remote_walk *w, const struct rj_page_run *pages,
		    rj_remote_walk_fn *fn, struct ramjet_error *err)
{
	static const struct rj_pagescan_query all = {
		.flags = RJ_PM_SCAN_CHECK_WPASYNC,
		.told = RJ_PAGE_IS_PRESENT | RJ_PAGE_IS_SWAPPED |
			RJ_PAGE_IS_WRITTEN,
	};

	return scan(w, &all, pages, fn, err);
}

const struct rj_remote_ways rj_remote_async = {
	.take_written = take_written,
	.tell_all = tell_all,
	.protect_absent = rj_wp_protect,
	.tells_gaps = true,
};
