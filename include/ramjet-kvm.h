/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RAMJET_KVM_H
#define RAMJET_KVM_H
/*
 * For VMMs on KVM: the dirty sources that read KVM's own tracking. The rules
 * are ramjet.h's.
 */
#include "ramjet.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A memory slot of KVM. Its memory is part of a block: the block's host
 * address + block_offset is its userspace_addr. All values exactly as they
 * were given to KVM_SET_USER_MEMORY_REGION, since that call repeats them. A
 * block may have several slots, and parts without, which are not tracked.
 */
struct ramjet_kvm_slot {
	size_t size;    /* of all slots of an array alike */
	uint32_t slot;  /* address space << 16 | number */
	uint32_t flags; /* KVM_MEM_*, besides KVM_MEM_LOG_DIRTY_PAGES */
	uint64_t guest_phys_addr;
	uint64_t bytes;
	const char *block; /* copied */
	uint64_t block_offset;
};
#define RAMJET_KVM_SLOT_INIT .size = sizeof(struct ramjet_kvm_slot)

/*
 * Built in: KVM's dirty log. It sees what vCPUs write. What the VMM itself
 * or another process writes must be reported by another source. Logging is
 * switched on when tracking starts and off when it stops; meanwhile the slots
 * must not change and nobody else may read or clear their logs. Sets
 * KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 of the VM, and leaves it so.
 * -EOPNOTSUPP (when tracking starts): the VM has dirty rings instead.
 */
struct ramjet_dirty_kvm_log {
	size_t size;
	int vm_fd; /* borrowed until freed */
	/* Let KVM protect all that a collect reports, at once, although it
	 * could be done in pieces just before they are read. */
	bool automatic_protection;
	const struct ramjet_kvm_slot *slots; /* copied */
	size_t slot_count;
};
#define RAMJET_DIRTY_KVM_LOG_INIT .size = sizeof(struct ramjet_dirty_kvm_log)
int ramjet_dirty_kvm_log_new(const struct ramjet_dirty_kvm_log *log,
			     struct ramjet_dirty_source **ret,
			     struct ramjet_error *err);

/*
 * Built in: KVM's dirty rings, one a vCPU, whose cost is in proportion to what
 * is dirtied. The VMM enables KVM_CAP_DIRTY_LOG_RING (or _ACQ_REL) before it
 * creates vCPUs, and leaves the rings to ramjet: nobody else reads or resets
 * them, logs other slots, or adds vCPUs while tracking. All else as for the
 * log; KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 of the VM is switched off.
 */
struct ramjet_dirty_kvm_ring {
	size_t size;
	int vm_fd;                           /* borrowed until freed */
	const struct ramjet_kvm_slot *slots; /* copied */
	size_t slot_count;
	const int *vcpu_fds; /* of all vCPUs; borrowed until return */
	size_t vcpu_count;
	uint32_t ring_bytes; /* of each, as given to KVM_ENABLE_CAP */
	/* /dev/kvm, for a trial VM; borrowed until return. -1: ramjet opens
	 * it. */
	int kvm_fd;
};
#define RAMJET_DIRTY_KVM_RING_INIT \
	.size = sizeof(struct ramjet_dirty_kvm_ring), .kvm_fd = -1
/* -EOPNOTSUPP: the VM has no dirty rings, or this kernel's rings lose pages,
 * which a trial of some milliseconds tells. */
int ramjet_dirty_kvm_ring_new(const struct ramjet_dirty_kvm_ring *ring,
			      struct ramjet_dirty_source **ret,
			      struct ramjet_error *err);
/*
 * For the VMM: call it when KVM_RUN of vcpu_fds[vcpu] has returned with
 * KVM_EXIT_DIRTY_RING_FULL, from any thread, then run the vCPU again. Legal
 * until the source is freed, tracking or not. It fails only if KVM does not
 * empty the ring: then the vCPU cannot go on, and the migration fails, too.
 * -EOVERFLOW: KVM has overrun it.
 */
int ramjet_dirty_kvm_ring_full(struct ramjet_dirty_source *source, size_t vcpu,
			       struct ramjet_error *err);

void ramjet_kvm_slot_init(struct ramjet_kvm_slot *o, size_t size);
void ramjet_dirty_kvm_log_init(struct ramjet_dirty_kvm_log *o, size_t size);
void ramjet_dirty_kvm_ring_init(struct ramjet_dirty_kvm_ring *o, size_t size);
#define ramjet_kvm_slot_init(o)       ramjet_kvm_slot_init(o, sizeof *(o))
#define ramjet_dirty_kvm_log_init(o)  ramjet_dirty_kvm_log_init(o, sizeof *(o))
#define ramjet_dirty_kvm_ring_init(o) ramjet_dirty_kvm_ring_init(o, sizeof *(o))

#ifdef __cplusplus
}
#endif
#endif
