/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was written is found as in pagemap.c. What is not found that way is a
 * page that the process has discarded (MADV_DONTNEED, a hole in a file): here
 * nobody tells. It is absent then, as are pages never touched, which must cost
 * nothing. Which of the absent ones matter:
 *
 * - Those that were sent (sent_map.h): the target has a copy of what they held.
 * - Of shared memory, those that have data in the file: they were written and
 *   have lost their entry, as in pagemap.c.
 *
 * An absent page has no entry, or one that says "absent and protected", a
 * marker. None is left where memory is private and anonymous, and where the page
 * was not protected. A marker is left where a protected page of a file, or of
 * hugetlb, has lost its entry, whether it was discarded or merely unmapped; the
 * file tells these two apart where it can. PAGEMAP_SCAN calls a marker "swapped";
 * so is a page of a private mapping of a file that was really swapped out.
 *
 * What is reported as absent gets a marker, so that it is not reported at the
 * next collect again. In anonymous memory that is enough: another discard removes
 * it. Elsewhere discards leave markers themselves, so it is noted which of them
 * are known already ("gone"), until the page is present again; unless it is not
 * known whether they have data: then they are reported until they are present.
 *
 * "Gone" must be true of a page while its marker stays, else the next discard is
 * never told of. A page may be written after it was found absent and before it is
 * protected: then the marker is of what was written. So whether it is absent is
 * asked once more when it has its marker.
 *
 * Decision 039 has what the kernel does in each case.
 */
#include "dirty/remote/walk.h"

#include "dirty/pagemap_entries.h"
#include "dirty/write_protect.h"
#include "util/compiler.h"

#define THERE (RJ_PAGE_IS_PRESENT | RJ_PAGE_IS_SWAPPED)

/* Entries vanish while the content lives on in a file. */
static bool is_shared(const struct rj_remote_walk *w)
{
	return w->range->backing == RJ_BACKING_SHARED_FD ||
	       w->range->backing == RJ_BACKING_SHARED_OTHER;
}

/* Does the block's file tell what was discarded? */
static bool file_tells(const struct rj_remote_walk *w)
{
	return w->range->backing == RJ_BACKING_SHARED_FD &&
	       !w->range->is_hugetlb;
}

/* May a marker mean that a page was discarded? */
static bool leaves_markers(const struct rj_remote_walk *w)
{
	return w->range->backing != RJ_BACKING_PRIVATE_ANON ||
	       w->range->is_hugetlb;
}

/* Does an absent page stay as it is while its marker stays? Not where it may be
 * absent, or look so, although it has data. */
static bool keeps_gone(const struct rj_remote_walk *w)
{
	return file_tells(w) || (!is_shared(w) && w->range->is_hugetlb);
}

static void report(struct rj_remote_walk *w, uint64_t first, uint64_t count)
{
	if (!w->arms)
		rj_mark_batch_add(w->marks, first, count);
}

typedef int protect_fn(int uffd, uint64_t address, uint64_t bytes,
		       struct ramjet_error *err);

/* Protect first, then report: a write in between is in what is reported. */
static int protect_as(struct rj_remote_walk *w, protect_fn *protect,
		      uint64_t first, uint64_t count, struct ramjet_error *err)
{
	/* A huge page as a whole: a run may be a part of it. */
	const uint64_t mask = w->range->unit - 1;
	const uint64_t from = rj_remote_address(w->range, first) & ~mask;
	const uint64_t end =
		(rj_remote_address(w->range, first + count) + mask) & ~mask;
	int rc = w->last ? 0 : protect(w->uffd, from, end - from, err);

	if (!rc)
		report(w, first, count);
	return rc;
}

static int protect_and_report(struct rj_remote_walk *w, uint64_t first,
			      uint64_t count, struct ramjet_error *err)
{
	return protect_as(w, rj_wp_protect, first, count, err);
}

/* ---- discarded --------------------------------------------------------- */

/* Of pages that have their markers: the file has no data of these. */
static int note_holes(struct rj_remote_walk *w, uint64_t first, uint64_t end,
		      struct ramjet_error *err)
{
	uint64_t data, from = first;
	int rc;

	while ((rc = rj_extent_next(w->region, from, end, &data, &first, err)) >
	       0) {
		rj_sent_map_set_gone(&w->range->sent, from, data - from);
		from = first;
	}
	if (!rc)
		rj_sent_map_set_gone(&w->range->sent, from, end - from);
	return rc;
}

/* The same where only the entry tells. */
static int note_absent(struct rj_remote_walk *w, uint64_t first, uint64_t end,
		       struct ramjet_error *err)
{
	while (first < end) {
		const uint64_t at = rj_remote_address(w->range, first);
		uint64_t entries[64];
		int rc = rj_pagemap_entries_read(
			w->pagemap_fd, at / RAMJET_PAGE_BYTES, entries,
			end - first < RJ_ARRAY_SIZE(entries)
				? end - first
				: RJ_ARRAY_SIZE(entries),
			err);

		if (rc < 0)
			return rc;
		for (int i = 0; i < rc; i++)
			if (!(entries[i] & RJ_ENTRY_PRESENT))
				rj_sent_map_set_gone(&w->range->sent, first + i,
						     1);
		first += (uint64_t)rc;
	}
	return 0;
}

static int note_gone(struct rj_remote_walk *w, uint64_t first, uint64_t count,
		     struct ramjet_error *err)
{
	if (w->last || !keeps_gone(w))
		return 0;
	return file_tells(w) ? note_holes(w, first, first + count, err)
			     : note_absent(w, first, first + count, err);
}

/* Reported as absent; `marked`: it has a marker. */
static int report_gone(struct rj_remote_walk *w, uint64_t first, uint64_t count,
		       bool marked, struct ramjet_error *err)
{
	int rc = 0;

	if (marked)
		report(w, first, count);
	else
		rc = protect_as(w,
				leaves_markers(w) ? rj_wp_protect
						  : w->ways->protect_absent,
				first, count, err);
	return rc ? rc : note_gone(w, first, count, err);
}

/* Of pages that are absent, and of which the file has no data: those sent. */
static int on_holes(struct rj_remote_walk *w, uint64_t first, uint64_t end,
		    bool marked, struct ramjet_error *err)
{
	int rc = 0;

	while (!rc && !w->arms) {
		const struct rj_page_run run =
			rj_sent_map_next(&w->range->sent, first, end, !marked);

		if (!run.count)
			break;
		first = run.first + run.count;
		rc = report_gone(w, run.first, run.count, marked, err);
	}
	return rc;
}

/* With an entry, protected, but not present. */
static int on_marked(struct rj_remote_walk *w, uint64_t first, uint64_t end,
		     struct ramjet_error *err)
{
	uint64_t data, hole = first;
	int rc = 0;

	if (!leaves_markers(w))
		return 0;
	if (!file_tells(w))
		return on_holes(w, first, end, true, err);
	while (!rc && !w->arms) {
		const struct rj_page_run run =
			rj_sent_map_next(&w->range->sent, first, end, false);

		if (!run.count)
			break;
		first = run.first + run.count;
		for (hole = run.first; !rc && hole < first;) {
			const uint64_t from = hole;

			rc = rj_extent_next(w->region, from, first, &data,
					    &hole, err);
			if (rc < 0)
				break;
			if (!rc)
				data = hole = first;
			rc = on_holes(w, from, data, true, err);
		}
	}
	return rc;
}

/* Without an entry. */
static int on_absent(struct rj_remote_walk *w, uint64_t first, uint64_t end,
		     struct ramjet_error *err)
{
	uint64_t data, from = first;
	int rc;

	if (!is_shared(w))
		return on_holes(w, first, end, false, err);
	if (!file_tells(w))
		return protect_and_report(w, first, end - first, err);
	while ((rc = rj_extent_next(w->region, from, end, &data, &first, err)) >
	       0) {
		rc = on_holes(w, from, data, false, err);
		if (!rc)
			rc = protect_and_report(w, data, first - data, err);
		if (rc)
			return rc;
		from = first;
	}
	return rc ? rc : on_holes(w, from, end, false, err);
}

/* ---- walking ----------------------------------------------------------- */

/* Protected already. But a huge page of a file would stay one, be dropped as a
 * whole when it is written, come back unprotected, and count as a whole, every
 * time: protected once more it is split. */
static int on_taken(struct rj_remote_walk *w, uint64_t first, uint64_t count,
		    uint64_t is, struct ramjet_error *err)
{
	if (is & RJ_PAGE_IS_HUGE && is_shared(w))
		return protect_and_report(w, first, count, err);
	report(w, first, count);
	return 0;
}

static int on_written(struct rj_remote_walk *w, uint64_t first, uint64_t count,
		      struct ramjet_error *err)
{
	if (w->last) {
		report(w, first, count);
		return 0;
	}
	/* Taken before: what was written since then is a later collect's. */
	if (w->ways->take_written)
		return 0;
	return protect_and_report(w, first, count, err);
}

/* In order, but where the kernel goes back: having filled its own buffer on the
 * way it tells a walk_end that is too low (6.18), and the rest comes twice. */
static void note_seen(struct rj_remote_walk *w, uint64_t first, uint64_t count)
{
	const uint64_t end = first + count;
	const uint64_t from = first > w->seen_until ? first : w->seen_until;

	if (end <= w->seen_until)
		return;
	w->seen += end - from;
	w->seen_until = end;
}

/* All pages come by here. */
static int on_any(struct rj_remote_walk *w, uint64_t first, uint64_t count,
		  uint64_t is, struct ramjet_error *err)
{
	int rc = 0;

	note_seen(w, first, count);
	if (!(is & THERE))
		return on_absent(w, first, first + count, err);
	if (is & RJ_PAGE_IS_WRITTEN)
		rc = on_written(w, first, count, err);
	else if (!(is & RJ_PAGE_IS_PRESENT))
		return on_marked(w, first, first + count, err);
	if (!rc && !w->last)
		rj_sent_map_clear_gone(&w->range->sent, first, count);
	return rc;
}

/* Nothing is said of memory that is not mapped at all: neither of a part that
 * was unmapped, nor of a process that is gone. */
static int check_seen(const struct rj_remote_walk *w,
		      const struct rj_page_run *pages, struct ramjet_error *err)
{
	if (w->seen == pages->count)
		return 0;
	return rj_remote_unmapped(w->range, pages, w->pid, err);
}

int rj_remote_walk(struct rj_remote_walk *w, const struct rj_page_run *pages,
		   struct ramjet_error *err)
{
	int rc = 0;

	w->seen = 0;
	w->seen_until = pages->first;
	if (!w->last && w->ways->take_written)
		rc = w->ways->take_written(w, pages, on_taken, err);
	/* An entry that vanishes between the two is found by the second: so it
	 * comes second. */
	if (!rc)
		rc = w->ways->tell_all(w, pages, on_any, err);
	return rc ? rc : check_seen(w, pages, err);
}
