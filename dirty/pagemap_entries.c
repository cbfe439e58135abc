/* SPDX-License-Identifier: BSD-3-Clause */
#include "dirty/pagemap_entries.h"

#include <errno.h>
#include <unistd.h>

#include "util/error.h"

#define ENTRIES 1024u /* at once: 8 KiB on the stack, 4 MiB of memory */

int rj_pagemap_entries_read(int fd, uint64_t page, uint64_t *entries,
			    size_t count, struct ramjet_error *err)
{
	ssize_t n;

	do
		n = pread(fd, entries, count * sizeof(*entries),
			  (off_t)(page * sizeof(*entries)));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return rj_fail_errno(err, -errno, "reading a pagemap");
	/* The kernel ends the file where there is no memory, and at the end of
	 * what an address may be. */
	if ((size_t)n < sizeof(*entries))
		return rj_fail(err, -ESRCH,
			       "reading a pagemap: its process is gone");
	return (int)((size_t)n / sizeof(*entries));
}

/* fn of the runs among these entries, of which the first is page `base`. */
static int tell_runs(const uint64_t *entries, size_t count, uint64_t base,
		     rj_pagemap_entries_fn *fn, void *user,
		     struct ramjet_error *err)
{
	int rc = 0;

	for (size_t i = 0, first; rc >= 0 && i < count; i++) {
		first = i;
		while (i < count &&
		       entries[i] & (RJ_ENTRY_PRESENT | RJ_ENTRY_SWAPPED))
			i++;
		if (i > first)
			rc = fn(user, base + first, i - first, err);
	}
	return rc < 0 ? rc : 0;
}

int rj_pagemap_entries_run(int pagemap_fd, uint64_t address,
			   uint64_t page_count, rj_pagemap_entries_fn *fn,
			   void *user, struct ramjet_error *err)
{
	uint64_t entries[ENTRIES], done = 0;
	int rc = 0;

	while (rc >= 0 && done < page_count) {
		const uint64_t left = page_count - done;
		const size_t wanted = left < ENTRIES ? (size_t)left : ENTRIES;

		rc = rj_pagemap_entries_read(pagemap_fd,
					     address / RAMJET_PAGE_BYTES + done,
					     entries, wanted, err);
		if (rc <= 0)
			break;
		done += (uint64_t)rc;
		rc = tell_runs(entries, (size_t)rc, done - (uint64_t)rc, fn,
			       user, err);
	}
	return rc < 0 ? rc : 0;
}

int rj_pagemap_entries_alive(int pagemap_fd, struct ramjet_error *err)
{
	uint64_t entry;
	const int rc = rj_pagemap_entries_read(pagemap_fd, 0, &entry, 1, err);

	return rc < 0 ? rc : 0;
}
