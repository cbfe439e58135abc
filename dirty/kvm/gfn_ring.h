/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_KVM_GFN_RING_H
#define RJ_DIRTY_KVM_GFN_RING_H
/*
 * One vCPU's dirty ring, as user space sees it: entries that KVM makes dirty
 * in order, that we flag as harvested in order, and that KVM frees in order at
 * the next reset.
 */
#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"

struct kvm_dirty_gfn;

struct rj_gfn_ring {
	struct kvm_dirty_gfn *entries;
	uint32_t count; /* of entries, a power of two */
	uint64_t next;  /* counts up; modulo count is where */
	bool found;     /* `next` is known */
	bool overrun;   /* for good */
};

/* Adjacent pages [first, first + count) of a memory slot. */
typedef void rj_gfn_fn(void *user, uint32_t slot, uint64_t first,
		       uint64_t count);

/*
 * Hand all dirty entries to fn and flag them as harvested. All entries
 * flagged before must have been reset. KVM may append meanwhile. Where
 * another harvester left off is found out.
 *
 * Returns how many entries are to be reset, or -EOVERFLOW: the ring was dirty
 * all around. KVM makes vCPUs leave before that; it did not, and may have
 * overwritten entries. From then on nothing else is returned.
 */
RJ_NODISCARD int64_t rj_gfn_ring_harvest(struct rj_gfn_ring *ring,
					 rj_gfn_fn *fn, void *user);
#endif
