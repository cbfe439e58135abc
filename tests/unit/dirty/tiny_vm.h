/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_TINY_VM_H
#define RJ_TESTS_TINY_VM_H
/*
 * A KVM VM whose vCPUs add 1 to the first word of pages they are told: 32-bit
 * protected mode without paging, two dozen bytes of program.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TINY_VCPUS 2u
/* Where slots for tests may begin; below lies the program. */
#define TINY_BASE (UINT64_C(16) << 20)

struct kvm_run;

struct tiny_vm {
	int kvm_fd;
	int vm_fd;
	int vcpu_fds[TINY_VCPUS];
	struct kvm_run *runs[TINY_VCPUS];
	size_t run_bytes;
	void *program;
	/* Called on the vCPU's thread when its ring is full. */
	void (*on_ring_full)(void *user, unsigned vcpu);
	void *ring_user;
	unsigned rings_full[TINY_VCPUS]; /* how often */
};

/* False, having said why, where there is no KVM (or no ring of that size). */
bool tiny_vm_make(struct tiny_vm *vm, uint32_t ring_bytes);
void tiny_vm_free(struct tiny_vm *vm);

/* Negative errno. */
int tiny_vm_set_slot(struct tiny_vm *vm, unsigned slot, uint64_t gpa,
		     void *host, uint64_t bytes);

/* Let the vCPU write `pages` pages from `gpa` on; returns when it has. One
 * thread a vCPU. False: it did not work, which was said. */
bool tiny_vm_write(struct tiny_vm *vm, unsigned vcpu, uint64_t gpa,
		   uint32_t pages);
#endif
