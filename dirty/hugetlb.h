/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_HUGETLB_H
#define RJ_DIRTY_HUGETLB_H
/*
 * Which huge pages of a file on hugetlbfs exist. SEEK_DATA says all of them,
 * and page tables (mincore, pagemap) only those that this mapping has touched,
 * whatever other processes have put there.
 */
#include "dirty/bitmap.h"
#include "ramjet-dirty.h"

/* Bits for the pages of `region`, which is a shared mapping of its fd on
 * hugetlbfs. Touches and allocates none of them. */
RJ_NODISCARD int rj_hugetlb_scan(const struct ramjet_dirty_region *region,
				 struct rj_bitmap *bm,
				 struct ramjet_error *err);
#endif
