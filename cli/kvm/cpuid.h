/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_CPUID_H
#define RJ_CLI_KVM_CPUID_H
/* What a guest is told of its CPU. */
#include <linux/kvm.h>

#include "cli/kvm/vm.h"

#define RJ_KVM_CPUID_ENTRIES_MAX 256u

/* A struct kvm_cpuid2 with room for all entries. */
union rj_kvm_cpuid {
	struct kvm_cpuid2 head;
	uint8_t room[sizeof(struct kvm_cpuid2) +
		     RJ_KVM_CPUID_ENTRIES_MAX *
			     sizeof(struct kvm_cpuid_entry2)];
};

/* All that this host's KVM supports. */
RJ_NODISCARD int rj_kvm_cpuid_host(const struct rj_kvm_vm *vm,
				   union rj_kvm_cpuid *ret,
				   struct ramjet_error *err);

/* What the vCPU behind `vcpu_fd` really has: a paravirtual KVM, which cannot
 * hide the processor's own, has more than was set. */
RJ_NODISCARD int rj_kvm_cpuid_get(int vcpu_fd, union rj_kvm_cpuid *ret,
				  struct ramjet_error *err);

/* 0 when every instruction set feature in `wanted` is in `offered`, else
 * -ENOTSUP naming the first leaf and bits that are not. */
RJ_NODISCARD int rj_kvm_cpuid_covers(const union rj_kvm_cpuid *offered,
				     const union rj_kvm_cpuid *wanted,
				     struct ramjet_error *err);
#endif
