/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_STATE_H
#define RJ_CLI_KVM_STATE_H
/*
 * All there is to a parked VM outside its memory: for each vCPU what KVM
 * gives and takes (registers, system registers, FPU or XSAVE area, XCRs, MSRs,
 * events, MP state, debug registers, CPUID, TSC), and the VM's clock.
 *
 * Registers, system registers and one of FPU and XSAVE must be there. What
 * else this KVM cannot save or load is left out and noted, never silently.
 */
#include "cli/kvm/notes.h"
#include "cli/kvm/vcpu.h"
#include "cli/kvm/vm.h"

/* All vCPUs parked. *ret is malloc()ed, returned to the caller. */
RJ_NODISCARD int rj_kvm_state_save(const struct rj_kvm_vm *vm,
				   struct rj_kvm_vcpu *const *vcpus,
				   unsigned count, void **ret,
				   size_t *ret_bytes,
				   struct rj_kvm_notes *notes,
				   struct ramjet_error *err);

/*
 * All vCPUs parked, and fresh: none has run. -EPROTO when the bytes are not
 * such a state or lack what must be there; -ENOTSUP when the CPU it was saved
 * on has features that this one lacks. After a failure the vCPUs are unusable.
 */
RJ_NODISCARD int rj_kvm_state_load(const struct rj_kvm_vm *vm,
				   struct rj_kvm_vcpu *const *vcpus,
				   unsigned count, const void *data,
				   size_t bytes, struct rj_kvm_notes *notes,
				   struct ramjet_error *err);
#endif
