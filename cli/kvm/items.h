/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_ITEMS_H
#define RJ_CLI_KVM_ITEMS_H
/* What state.c and restore.c both know of a vCPU's state. */
#include <stdbool.h>

#include "cli/kvm/blob.h"
#include "cli/kvm/fields.h"
#include "cli/kvm/vm.h"

/* An item that is one struct, one ioctl to get it and one to set it. */
struct rj_kvm_simple_item {
	enum rj_kvm_item_kind kind;
	const struct rj_kvm_layout *layout;
	unsigned long get, set;
	unsigned extension; /* 0: every KVM has it */
	bool required;
};

#define RJ_KVM_SIMPLE_ITEMS 7u
extern const struct rj_kvm_simple_item rj_kvm_simple_items[RJ_KVM_SIMPLE_ITEMS];

/* Room for the struct of any of them. */
union rj_kvm_any_struct {
	uint64_t align;
	uint8_t room[RJ_KVM_STRUCT_BYTES_MAX];
};

/* Bytes KVM_SET_XSAVE reads and KVM_GET_XSAVE(2) writes; 0: no XSAVE. */
size_t rj_kvm_xsave_bytes(const struct rj_kvm_vm *vm);
#endif
