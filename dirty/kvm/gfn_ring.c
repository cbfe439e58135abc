/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Let N be the entries, R what KVM has reset up to and D what it has made
 * dirty up to. We begin at R, since all that was flagged has been reset.
 *
 * If KVM overran the ring, D - R > N, then every entry was made dirty since R:
 * we come around, and know. If it does so while we are at it, entry R is dirty
 * again after we flagged it: then either we come around, or the reset frees
 * fewer entries than were flagged, which the caller checks. So an overrun is
 * never silent.
 */
#include "dirty/kvm/gfn_ring.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdatomic.h>

struct run {
	uint32_t slot;
	uint64_t first;
	uint64_t count;
};

static struct kvm_dirty_gfn *entry_at(const struct rj_gfn_ring *ring,
				      uint64_t index)
{
	return &ring->entries[index % ring->count];
}

/* Acquire: pairs with KVM's release; slot and offset were written before. */
static bool is_dirty(struct kvm_dirty_gfn *entry)
{
	_Atomic uint32_t *flags = (_Atomic uint32_t *)&entry->flags;

	return (atomic_load_explicit(flags, memory_order_acquire) &
		KVM_DIRTY_GFN_F_MASK) == KVM_DIRTY_GFN_F_DIRTY;
}

/* Release: pairs with KVM's acquire; it may reuse the entry after that. */
static void flag_harvested(struct kvm_dirty_gfn *entry)
{
	_Atomic uint32_t *flags = (_Atomic uint32_t *)&entry->flags;

	atomic_store_explicit(flags, KVM_DIRTY_GFN_F_RESET,
			      memory_order_release);
}

/*
 * R is the one dirty entry whose predecessor is not. KVM appends in order:
 * whoever sees an entry dirty also sees those before it, if asked after it.
 */
static bool find_next(struct rj_gfn_ring *ring)
{
	for (uint64_t i = 0; i < ring->count; i++) {
		if (!is_dirty(entry_at(ring, i)))
			continue;
		if (is_dirty(entry_at(ring, i + ring->count - 1)))
			continue;
		ring->next = i;
		return true;
	}
	return false;
}

static bool all_dirty(const struct rj_gfn_ring *ring)
{
	for (uint64_t i = 0; i < ring->count; i++)
		if (!is_dirty(entry_at(ring, i)))
			return false;
	return true;
}

static void extend(struct run *run, const struct kvm_dirty_gfn *entry,
		   rj_gfn_fn *fn, void *user)
{
	uint64_t offset = entry->offset;

	if (run->count && entry->slot == run->slot &&
	    offset == run->first + run->count) {
		run->count++;
		return;
	}
	if (run->count)
		fn(user, run->slot, run->first, run->count);
	*run = (struct run){ entry->slot, offset, 1 };
}

int64_t rj_gfn_ring_harvest(struct rj_gfn_ring *ring, rj_gfn_fn *fn, void *user)
{
	struct run run = { 0 };
	uint32_t flagged = 0;

	if (!ring->found)
		ring->found = find_next(ring);
	if (!ring->found)
		ring->overrun = all_dirty(ring);
	if (!ring->found || ring->overrun)
		return ring->overrun ? -EOVERFLOW : 0;

	while (flagged < ring->count) {
		struct kvm_dirty_gfn *entry = entry_at(ring, ring->next);

		if (!is_dirty(entry))
			break;
		extend(&run, entry, fn, user);
		flag_harvested(entry);
		ring->next++;
		flagged++;
	}
	if (run.count)
		fn(user, run.slot, run.first, run.count);
	ring->overrun = flagged == ring->count;
	return ring->overrun ? -EOVERFLOW : (int64_t)flagged;
}
