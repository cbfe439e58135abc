/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_MSRS_H
#define RJ_CLI_KVM_MSRS_H
/* The model-specific registers KVM lists as part of a vCPU's state. */
#include "cli/kvm/blob.h"
#include "cli/kvm/vcpu.h"

struct rj_kvm_notes;

/* Adds the item. An MSR that cannot be read is noted. */
RJ_NODISCARD int rj_kvm_msrs_save(const struct rj_kvm_vm *vm,
				  const struct rj_kvm_vcpu *vcpu,
				  struct rj_kvm_blob *blob,
				  struct rj_kvm_notes *notes,
				  struct ramjet_error *err);
/* An MSR that cannot be written is noted. -EPROTO for a misshapen item. */
RJ_NODISCARD int rj_kvm_msrs_load(const struct rj_kvm_vcpu *vcpu,
				  struct rj_kvm_item item,
				  struct rj_kvm_notes *notes,
				  struct ramjet_error *err);
#endif
