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

/* A mapping of our own of the region's pages, and who answers for it. */
struct rj_hugetlb {
	int uffd;
	uint8_t *host;
	uint64_t bytes;
	uint64_t page_bytes; /* of the file system */
};
#define RJ_HUGETLB_NONE    \
	{                  \
		.uffd = -1 \
	}

/* `region` is a shared mapping of its fd on hugetlbfs. Takes no time in
 * proportion to it. */
RJ_NODISCARD int rj_hugetlb_open(struct rj_hugetlb *probe,
				 const struct ramjet_dirty_region *region,
				 struct ramjet_error *err);
/* Safe on RJ_HUGETLB_NONE. */
void rj_hugetlb_close(struct rj_hugetlb *probe);
/* Bits for the region's pages that are there, of [first_page, first_page +
 * count). Touches and allocates none of them. Any thread. */
RJ_NODISCARD int rj_hugetlb_look(const struct rj_hugetlb *probe,
				 uint64_t first_page, uint64_t count,
				 struct rj_bitmap *bm,
				 struct ramjet_error *err);
/* The first such page at or after first_page, in whose huge page it may begin;
 * or first_page + count. */
RJ_NODISCARD int rj_hugetlb_first(const struct rj_hugetlb *probe,
				  uint64_t first_page, uint64_t count,
				  uint64_t *ret_page, struct ramjet_error *err);
#endif
