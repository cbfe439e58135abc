/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Before Linux 6.7: a thread lifts the protection (lifter.h), and the entries of
 * the pagemap tell what has lost it. Absent pages of private anonymous memory can
 * be protected from 6.4 on only: so they are not, and whoever touches one gets an
 * entry without protection, and does not wait.
 */
#include "dirty/pagemap_entries.h"
#include "dirty/remote/walk.h"
#include "dirty/write_protect.h"

#define ENTRIES 1024u /* at once: 8 KiB on the stack, 4 MiB of memory */

/* A marker on hugetlbfs is neither present nor swapped. */
static uint64_t categories_of(uint64_t entry)
{
	const uint64_t written = entry & RJ_ENTRY_WP ? 0 : RJ_PAGE_IS_WRITTEN;

	if (entry & RJ_ENTRY_PRESENT)
		return RJ_PAGE_IS_PRESENT | written;
	if (entry & (RJ_ENTRY_SWAPPED | RJ_ENTRY_WP))
		return RJ_PAGE_IS_SWAPPED | written;
	return 0;
}

/* Pages that are alike, so far. */
struct run {
	uint64_t first;
	uint64_t count;
	uint64_t is;
};

static int flush(struct rj_remote_walk *w, struct run *run,
		 struct ramjet_error *err)
{
	return run->count ? w->fn(w, run->first, run->count, run->is, err) : 0;
}

static int add(struct rj_remote_walk *w, struct run *run, uint64_t page,
	       uint64_t is, struct ramjet_error *err)
{
	int rc = 0;

	if (run->is == is) {
		run->count++;
		return 0;
	}
	rc = flush(w, run, err);
	*run = (struct run){ .first = page, .count = 1, .is = is };
	return rc;
}

static int tell_all(struct rj_remote_walk *w, const struct rj_page_run *pages,
		    rj_remote_walk_fn *fn, struct ramjet_error *err)
{
	const uint64_t at = rj_remote_address(w->range, pages->first);
	struct run run = { .first = pages->first };
	uint64_t entries[ENTRIES], done = 0;

	w->fn = fn;
	while (done < pages->count) {
		const uint64_t left = pages->count - done;
		int rc = rj_pagemap_entries_read(
			w->pagemap_fd, at / RAMJET_PAGE_BYTES + done, entries,
			left < ENTRIES ? left : ENTRIES, err);
		const size_t count = rc > 0 ? (size_t)rc : 0;

		for (size_t i = 0; rc >= 0 && i < count; i++)
			rc = add(w, &run, pages->first + done + i,
				 categories_of(entries[i]), err);
		if (rc < 0)
			return rc;
		done += count;
	}
	return flush(w, &run, err);
}

const struct rj_remote_ways rj_remote_sync = {
	.tell_all = tell_all,
	.protect_absent = rj_wp_protect_zero,
};
