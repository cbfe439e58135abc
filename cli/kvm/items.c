/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/items.h"

#include <linux/kvm.h>

const struct rj_kvm_simple_item rj_kvm_simple_items[RJ_KVM_SIMPLE_ITEMS] = {
	{ RJ_KVM_ITEM_REGS, &rj_kvm_layout_regs, KVM_GET_REGS, KVM_SET_REGS, 0,
	  true },
	{ RJ_KVM_ITEM_SREGS, &rj_kvm_layout_sregs, KVM_GET_SREGS, KVM_SET_SREGS,
	  0, true },
	{ RJ_KVM_ITEM_FPU, &rj_kvm_layout_fpu, KVM_GET_FPU, KVM_SET_FPU, 0,
	  true },
	{ RJ_KVM_ITEM_XCRS, &rj_kvm_layout_xcrs, KVM_GET_XCRS, KVM_SET_XCRS,
	  KVM_CAP_XCRS, false },
	{ RJ_KVM_ITEM_EVENTS, &rj_kvm_layout_events, KVM_GET_VCPU_EVENTS,
	  KVM_SET_VCPU_EVENTS, KVM_CAP_VCPU_EVENTS, false },
	{ RJ_KVM_ITEM_MP_STATE, &rj_kvm_layout_mp_state, KVM_GET_MP_STATE,
	  KVM_SET_MP_STATE, KVM_CAP_MP_STATE, false },
	{ RJ_KVM_ITEM_DEBUGREGS, &rj_kvm_layout_debugregs, KVM_GET_DEBUGREGS,
	  KVM_SET_DEBUGREGS, KVM_CAP_DEBUGREGS, false },
};

size_t rj_kvm_xsave_bytes(const struct rj_kvm_vm *vm)
{
	int bytes = rj_kvm_vm_extension(vm, KVM_CAP_XSAVE2);

	if (!rj_kvm_vm_extension(vm, KVM_CAP_XSAVE))
		return 0;
	return bytes > (int)sizeof(struct kvm_xsave) ? (size_t)bytes
						     : sizeof(struct kvm_xsave);
}
