/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_BLOB_H
#define RJ_CLI_KVM_BLOB_H
/*
 * The saved state as bytes, version 1, all numbers little endian:
 *
 *   u32 magic "RJKV"  u16 version  u16 vCPUs  u32 bytes in all  u32 zero
 *   then items: u16 kind  u16 vCPU (0xffff: the VM)  u32 bytes  payload
 *
 * Every item is optional to the reader of this file; who needs one says so.
 * An item appears at most once for a vCPU; an unknown kind is refused, since
 * what it stood for would be lost.
 */
#include <stddef.h>
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"

#define RJ_KVM_BLOB_VERSION    1u
#define RJ_KVM_BLOB_BYTES_MAX  (64u << 20)
#define RJ_KVM_BLOB_VM         0xffffu /* an item of the VM, not a vCPU */
#define RJ_KVM_BLOB_HEAD_BYTES 16u
#define RJ_KVM_ITEM_HEAD_BYTES 8u

enum rj_kvm_item_kind {
	RJ_KVM_ITEM_CPUID = 1,
	RJ_KVM_ITEM_TSC_KHZ,
	RJ_KVM_ITEM_REGS,
	RJ_KVM_ITEM_SREGS,
	RJ_KVM_ITEM_FPU,
	RJ_KVM_ITEM_XSAVE,
	RJ_KVM_ITEM_XCRS,
	RJ_KVM_ITEM_MSRS,
	RJ_KVM_ITEM_EVENTS,
	RJ_KVM_ITEM_MP_STATE,
	RJ_KVM_ITEM_DEBUGREGS,
	RJ_KVM_ITEM_CLOCK,
	RJ_KVM_ITEM_COUNT_
};
/* "registers" etc.; "invalid" when out of range. Static. */
const char *rj_kvm_item_name(unsigned kind);

/* Written item by item; memory grows. Zeroed is empty. */
struct rj_kvm_blob {
	uint8_t *data;
	size_t bytes;
	size_t capacity;
};

RJ_NODISCARD int rj_kvm_blob_begin(struct rj_kvm_blob *blob, unsigned vcpus,
				   struct ramjet_error *err);
/* Room for an item's payload, zeroed; valid until the next call. */
RJ_NODISCARD int rj_kvm_blob_add(struct rj_kvm_blob *blob,
				 enum rj_kvm_item_kind kind, unsigned vcpu,
				 size_t bytes, uint8_t **ret,
				 struct ramjet_error *err);
/* The size is final now. */
void rj_kvm_blob_end(struct rj_kvm_blob *blob);
void rj_kvm_blob_done(struct rj_kvm_blob *blob);

struct rj_kvm_item {
	const uint8_t *data; /* NULL: not there */
	size_t bytes;
};

/* Checks the whole shape: header, sizes, kinds, doubles. -EPROTO. */
RJ_NODISCARD int rj_kvm_blob_check(const void *data, size_t bytes,
				   unsigned vcpus, struct ramjet_error *err);
/* In checked bytes only. */
struct rj_kvm_item rj_kvm_blob_find(const void *data, size_t bytes,
				    enum rj_kvm_item_kind kind, unsigned vcpu);
#endif
