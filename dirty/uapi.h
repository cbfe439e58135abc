/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_UAPI_H
#define RJ_DIRTY_UAPI_H
/* What newer kernels offer and Debian 12's headers do not know yet. Named
 * apart from linux/fs.h, so that both may be included. */
#include <linux/ioctl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>

/* linux/userfaultfd.h since 6.4 and 6.7 */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

/* linux/fs.h since 6.7: PAGEMAP_SCAN on /proc/PID/pagemap */
enum rj_page_is {
	RJ_PAGE_IS_WPALLOWED = 1 << 0,
	RJ_PAGE_IS_WRITTEN = 1 << 1,
	RJ_PAGE_IS_FILE = 1 << 2,
	RJ_PAGE_IS_PRESENT = 1 << 3,
	RJ_PAGE_IS_SWAPPED = 1 << 4,
	RJ_PAGE_IS_PFNZERO = 1 << 5,
	RJ_PAGE_IS_HUGE = 1 << 6,
};

enum rj_pm_scan {
	RJ_PM_SCAN_WP_MATCHING = 1 << 0,
	RJ_PM_SCAN_CHECK_WPASYNC = 1 << 1,
};

struct rj_page_region {
	uint64_t start;
	uint64_t end;
	uint64_t categories;
};

struct rj_pm_scan_arg {
	uint64_t size;
	uint64_t flags;
	uint64_t start;
	uint64_t end;
	uint64_t walk_end;
	uint64_t vec;
	uint64_t vec_len;
	uint64_t max_pages;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};

/* linux/mman.h since 6.5: what of a part of a file is in memory; the same number
 * on all machines */
#define RJ_NR_CACHESTAT 451

struct rj_cachestat_range {
	uint64_t offset;
	uint64_t bytes;
};

struct rj_cachestat {
	uint64_t cached;
	uint64_t dirty;
	uint64_t writeback;
	uint64_t evicted;
	uint64_t recently_evicted;
};

#define RJ_PAGEMAP_SCAN _IOWR('f', 16, struct rj_pm_scan_arg)

/* linux/fs.h since 6.11: PROCMAP_QUERY on /proc/PID/maps */
struct rj_procmap_query {
	uint64_t size;
	uint64_t query_flags;
	uint64_t query_addr;
	uint64_t vma_start;
	uint64_t vma_end;
	uint64_t vma_flags;
	uint64_t vma_page_size;
	uint64_t vma_offset;
	uint64_t inode;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint32_t vma_name_size;
	uint32_t build_id_size;
	uint64_t vma_name_addr;
	uint64_t build_id_addr;
};

#define RJ_PROCMAP_SHARED 0x08
#define RJ_PROCMAP_QUERY  _IOWR('f', 17, struct rj_procmap_query)
#endif
