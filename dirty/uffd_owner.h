/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_UFFD_OWNER_H
#define RJ_DIRTY_UFFD_OWNER_H
/*
 * Is memory registered with somebody's userfaultfd? Only the smaps tell which
 * way, and to write them the kernel walks all page tables: 9 ms a GiB of small
 * private pages, 25 of shared ones. That there is none can be had in
 * microseconds.
 */
#include <stdbool.h>
#include <stdint.h>

struct rj_uffd_owner {
	int uffd;
	uint64_t beyond; /* an address that no userfaultfd takes */
};
#define RJ_UFFD_OWNER_NONE \
	{                  \
		.uffd = -1 \
	}

/* False where it can't be known; nothing is open then. */
bool rj_uffd_owner_open(struct rj_uffd_owner *ret);
/* Safe on what is not open. */
void rj_uffd_owner_close(struct rj_uffd_owner *owner);
/* True: no page of [from, end), mapped without a gap, is registered with a
 * userfaultfd of this process or another. False: perhaps one is. */
bool rj_uffd_owner_is_none(const struct rj_uffd_owner *owner, uint64_t from,
			   uint64_t end);
#endif
