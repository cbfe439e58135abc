/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_LAZY_H
#define RJ_DIRTY_LAZY_H
/*
 * Memory that somebody fills only when it is touched: registered with a
 * userfaultfd for missing pages (a snapshot that is restored lazily, say).
 * There, a page that is absent does not read as zero.
 */
#include "ramjet-dirty.h"

/*
 * ret_reasons[i] of each region: NULL when no page of it is filled so, as far
 * as this process's own mapping goes; else why absent pages mean nothing:
 * static text. Only if any of it is registered with a userfaultfd is there a
 * pass over /proc/self/smaps, one for all regions, since the kernel walks each
 * mapping that it tells of: some 6 to 25 ms a GiB populated.
 */
void rj_lazy_look(const struct ramjet_dirty_region *regions, unsigned count,
		  const char **ret_reasons);
#endif
