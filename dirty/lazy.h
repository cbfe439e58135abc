/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_LAZY_H
#define RJ_DIRTY_LAZY_H
/*
 * Memory that somebody fills only when it is touched: registered with a
 * userfaultfd for missing pages (a snapshot that is restored lazily, say).
 * There, a page that is absent does not read as zero.
 */
#include "ramjet.h"

/* NULL: no page of the region is filled so, as far as this process's own
 * mapping goes. Else why absent pages mean nothing: static text. Takes as long
 * as reading /proc/self/smaps does, some 6 ms a GiB that is populated. */
const char *rj_lazy_reason(const struct ramjet_dirty_region *region);
#endif
