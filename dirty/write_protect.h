/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_WRITE_PROTECT_H
#define RJ_DIRTY_WRITE_PROTECT_H
/*
 * Write protection by a userfaultfd, in the address space that it was made in:
 * of this process, or of another. Asynchronous (Linux 6.7) means that the kernel
 * lifts it by itself at the first write; whoever looks with PAGEMAP_SCAN finds
 * the pages that have lost it.
 */
#include "dirty/pagescan.h"

#define RJ_WP_ASYNC                                               \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_ASYNC | \
	 UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_HUGETLBFS_SHMEM)

/* Linux 5.19; whoever writes waits until it is lifted. */
#define RJ_WP_SYNC \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM)

/* UFFDIO_API, which can be asked once of each userfaultfd; where that fails, it
 * can be asked again for other features. -EOPNOTSUPP, and which ones, where this
 * kernel lacks some. */
RJ_NODISCARD int rj_wp_handshake(int uffd, uint64_t features,
				 struct ramjet_error *err);
/* Nothing is protected by that. 0 or a negative errno: -EBUSY where another
 * userfaultfd has some of it. *ret_is_hugetlb may be NULL. */
RJ_NODISCARD int rj_wp_register(int uffd, uint64_t address, uint64_t bytes,
				bool *ret_is_hugetlb);
/* Lifts all protection, but wakes nobody. 0 or a negative errno. */
int rj_wp_unregister(int uffd, uint64_t address, uint64_t bytes);
void rj_wp_wake(int uffd, uint64_t address, uint64_t bytes);
/* Absent pages get an entry that says so, if the kernel can make it
 * (UFFD_FEATURE_WP_UNPOPULATED; memory of files: always). */
RJ_NODISCARD int rj_wp_protect(int uffd, uint64_t address, uint64_t bytes,
			       struct ramjet_error *err);

/* Lift it again, and wake who waits, whatever the memory is by now. */
void rj_wp_lift(int uffd, uint64_t address, uint64_t bytes);
/* The same for private anonymous memory where the kernel cannot: absent pages
 * become the zero page, which is protected. It takes no memory but page tables. */
RJ_NODISCARD int rj_wp_protect_zero(int uffd, uint64_t address, uint64_t bytes,
				    struct ramjet_error *err);

/* What was written, which is protected on the way. */
extern const struct rj_pagescan_query rj_wp_written_and_protect;

/*
 * What tracking costs a writer: the first write to a protected page against
 * another to the same page, in nanoseconds; tried on memory of our own, which
 * `uffd` must be of. -EOPNOTSUPP where the kernel cannot protect by PAGEMAP_SCAN.
 * `scans` NULL: it need not; somebody lifts the protection.
 */
RJ_NODISCARD int rj_wp_try(int uffd, struct rj_scan_pool *scans,
			   uint64_t *ret_cost_ns, struct ramjet_error *err);
#endif
