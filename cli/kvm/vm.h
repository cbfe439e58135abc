/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_VM_H
#define RJ_CLI_KVM_VM_H
/*
 * A KVM virtual machine without devices: the file descriptors and where one
 * block of RAM lies in guest physical memory.
 *
 * The block is not one slot but several, as in a real machine: KVM keeps
 * pages of its own below 4 GiB, so RAM leaves [3 GiB, 4 GiB) free and goes on
 * above; the part below is cut in two and a slot has a largest size. So block
 * offset and guest physical address differ, and what reads KVM's dirty log
 * must map slots to the block.
 */
#include <stddef.h>
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"

#define RJ_KVM_HOLE_START     (UINT64_C(3) << 30)
#define RJ_KVM_HOLE_BYTES     (UINT64_C(1) << 30)
#define RJ_KVM_SLOT_BYTES_MAX (UINT64_C(1) << 40)
#define RJ_KVM_SLOTS_MAX      64u
#define RJ_KVM_LARGE_PAGE     (UINT64_C(2) << 20)

struct rj_kvm_slot {
	uint32_t slot;
	uint64_t gpa;          /* guest physical address */
	uint64_t block_offset; /* where in the block it starts */
	uint64_t bytes;
};

struct rj_kvm_vm {
	int kvm_fd; /* /dev/kvm */
	int vm_fd;
	size_t run_bytes;    /* of a vCPU's shared struct kvm_run */
	uint32_t ring_bytes; /* dirty ring a vCPU, 0: none */
	struct rj_kvm_slot slots[RJ_KVM_SLOTS_MAX];
	unsigned slot_count;
};

/* 0, or why no VM can run here: /dev/kvm is absent, may not be opened, or
 * lacks something the guest needs. */
RJ_NODISCARD int rj_kvm_available(struct ramjet_error *err);

/* `vm` is filled; on failure nothing needs rj_kvm_vm_done(). */
RJ_NODISCARD int rj_kvm_vm_init(struct rj_kvm_vm *vm, struct ramjet_error *err);
/* No vCPU may be left. Safe on a zeroed struct that was never init()ed. */
void rj_kvm_vm_done(struct rj_kvm_vm *vm);

/* KVM_CHECK_EXTENSION on the VM: 0 when absent. */
int rj_kvm_vm_extension(const struct rj_kvm_vm *vm, unsigned extension);

/*
 * Track writes with a ring of `bytes` a vCPU (a power of two) instead of the
 * log. Before the first vCPU. -ENOTSUP when KVM has no ring or a smaller one.
 */
RJ_NODISCARD int rj_kvm_vm_enable_ring(struct rj_kvm_vm *vm, uint32_t bytes,
				       struct ramjet_error *err);

/* Put [host, host + bytes) into the guest as described above. `host` is
 * borrowed until rj_kvm_vm_done(). Once a VM; bytes a multiple of 4096. */
RJ_NODISCARD int rj_kvm_vm_map(struct rj_kvm_vm *vm, void *host, uint64_t bytes,
			       struct ramjet_error *err);

/* Where a block offset lies in guest physical memory. */
static inline uint64_t rj_kvm_gpa(uint64_t block_offset)
{
	return block_offset < RJ_KVM_HOLE_START
		       ? block_offset
		       : block_offset + RJ_KVM_HOLE_BYTES;
}
#endif
