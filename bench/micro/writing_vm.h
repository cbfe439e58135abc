/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_BENCH_WRITING_VM_H
#define RJ_BENCH_WRITING_VM_H
/* A KVM VM with one vCPU, which writes pages it is told: 32-bit protected mode
 * without paging, so below 4 GiB. */
#include <stdbool.h>
#include <stdint.h>

/* Where slots may begin; below lies the program. */
#define WRITING_VM_BASE (UINT64_C(16) << 20)

struct kvm_run;

struct writing_vm {
	int vm_fd;
	int vcpu_fd;
	struct kvm_run *run;
};

/* For the program's whole life. False, having said why: no KVM. */
bool writing_vm_make(struct writing_vm *vm);
/* 0 or -1, with errno. */
int writing_vm_set_slot(const struct writing_vm *vm, unsigned slot,
			uint64_t gpa, void *host, uint64_t bytes);
/* Write `pages` pages from `gpa` on, one word each. */
bool writing_vm_write(const struct writing_vm *vm, uint64_t gpa,
		      uint64_t pages);
#endif
