/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_KVM_CLEAR_H
#define RJ_DIRTY_KVM_CLEAR_H
/* Clearing bits of KVM's dirty log, which protects their pages again. From any
 * thread. */
#include <stddef.h>
#include <stdint.h>

#include "dirty/kvm/slots.h"
#include "util/compiler.h"

/* What is set in words[0..count), which start at page `first_page` of the block
 * and may begin and end anywhere, as far as it lies in the slot. */
RJ_NODISCARD int rj_kvm_clear_words(int vm_fd, const struct rj_kvm_slot *slot,
				    uint64_t first_page, const uint64_t *words,
				    size_t count, struct ramjet_error *err);
/* All of a span. */
RJ_NODISCARD int rj_kvm_clear_span(int vm_fd, const struct rj_kvm_slot *slot,
				   struct rj_kvm_span span,
				   struct ramjet_error *err);
#endif
