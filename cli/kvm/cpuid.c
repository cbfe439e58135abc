/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/cpuid.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "util/error.h"

int rj_kvm_cpuid_host(const struct rj_kvm_vm *vm, union rj_kvm_cpuid *ret,
		      struct ramjet_error *err)
{
	memset(ret, 0, sizeof(*ret));
	ret->head.nent = RJ_KVM_CPUID_ENTRIES_MAX;
	if (ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, &ret->head))
		return rj_fail_errno(err, -errno,
				     "kvm: KVM_GET_SUPPORTED_CPUID");
	return 0;
}

int rj_kvm_cpuid_get(int vcpu_fd, union rj_kvm_cpuid *ret,
		     struct ramjet_error *err)
{
	memset(ret, 0, sizeof(*ret));
	ret->head.nent = RJ_KVM_CPUID_ENTRIES_MAX;
	if (ioctl(vcpu_fd, KVM_GET_CPUID2, &ret->head))
		return rj_fail_errno(err, -errno, "kvm: KVM_GET_CPUID2");
	return 0;
}

/* Leaves whose registers are feature bits: what software may use. Bits that
 * mirror a control register (OSXSAVE, OSPKE) say nothing of the CPU. */
static const struct feature_leaf {
	uint32_t function, index;
	uint32_t ignored_ecx;
	bool ebx, ecx, edx;
} feature_leaves[] = {
	{ 0x00000001, 0, 1u << 27, false, true, true },
	{ 0x00000007, 0, 1u << 4, true, true, false },
	{ 0x80000001, 0, 0, false, true, true },
};

static const struct kvm_cpuid_entry2 *find(const union rj_kvm_cpuid *cpuid,
					   uint32_t function, uint32_t index)
{
	const struct kvm_cpuid_entry2 *entries =
		(const void *)(cpuid->room + sizeof(struct kvm_cpuid2));

	for (uint32_t i = 0; i < cpuid->head.nent; i++)
		if (entries[i].function == function &&
		    entries[i].index == index)
			return &entries[i];
	return NULL;
}

static int covers_register(uint32_t offered, uint32_t wanted, uint32_t leaf,
			   const char *name, struct ramjet_error *err)
{
	if (!(wanted & ~offered))
		return 0;
	return rj_fail(err, -ENOTSUP,
		       "kvm state: this CPU lacks features of the guest's: "
		       "CPUID 0x%x %s bits 0x%x",
		       leaf, name, wanted & ~offered);
}

int rj_kvm_cpuid_covers(const union rj_kvm_cpuid *offered,
			const union rj_kvm_cpuid *wanted,
			struct ramjet_error *err)
{
	static const struct kvm_cpuid_entry2 nothing;
	int rc = 0;

	for (size_t i = 0; !rc && i < RJ_ARRAY_SIZE(feature_leaves); i++) {
		const struct feature_leaf *leaf = &feature_leaves[i];
		const struct kvm_cpuid_entry2 *has =
			find(offered, leaf->function, leaf->index);
		const struct kvm_cpuid_entry2 *wants =
			find(wanted, leaf->function, leaf->index);

		if (!wants)
			continue;
		if (!has)
			has = &nothing;
		if (leaf->ebx)
			rc = covers_register(has->ebx, wants->ebx,
					     leaf->function, "EBX", err);
		if (!rc && leaf->ecx)
			rc = covers_register(has->ecx,
					     wants->ecx & ~leaf->ignored_ecx,
					     leaf->function, "ECX", err);
		if (!rc && leaf->edx)
			rc = covers_register(has->edx, wants->edx,
					     leaf->function, "EDX", err);
	}
	return rc;
}
