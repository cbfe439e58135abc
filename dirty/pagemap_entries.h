/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_PAGEMAP_ENTRIES_H
#define RJ_DIRTY_PAGEMAP_ENTRIES_H
/*
 * The entries of a process's pagemap, eight bytes a page: what there is to ask
 * before Linux 6.7, and what tells that the process is gone, whose pages are all
 * absent then.
 */
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"

/* Documentation/admin-guide/mm/pagemap.rst */
#define RJ_ENTRY_PRESENT (UINT64_C(1) << 63)
#define RJ_ENTRY_SWAPPED (UINT64_C(1) << 62)
#define RJ_ENTRY_WP      (UINT64_C(1) << 57) /* protected by a userfaultfd */

/* The entries of `count` pages from `page` (of the address space) on: how many
 * were read, 1 or more, or -ESRCH, or another negative errno. */
RJ_NODISCARD int rj_pagemap_entries_read(int pagemap_fd, uint64_t page,
					 uint64_t *entries, size_t count,
					 struct ramjet_error *err);

/* May return a negative errno, which ends the walk. */
typedef int rj_pagemap_entries_fn(void *user, uint64_t first_page,
				  uint64_t count, struct ramjet_error *err);

/* fn is called for each run of pages that are present or swapped, in order (a
 * run may come in pieces); page 0 is at `address` of the process. -ESRCH: the
 * process is gone. */
RJ_NODISCARD int rj_pagemap_entries_run(int pagemap_fd, uint64_t address,
					uint64_t page_count,
					rj_pagemap_entries_fn *fn, void *user,
					struct ramjet_error *err);
/* -ESRCH: the process of this pagemap has no memory any more. */
RJ_NODISCARD int rj_pagemap_entries_alive(int pagemap_fd,
					  struct ramjet_error *err);
#endif
