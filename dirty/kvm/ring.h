/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_KVM_RING_H
#define RJ_DIRTY_KVM_RING_H
#include "ramjet-kvm.h"
#include "util/compiler.h"

/* As ramjet_dirty_kvm_ring_new(), of a complete struct, without the trial of
 * the kernel: for tests that know what they do. An overrun fails a collect. */
RJ_NODISCARD int rj_kvm_ring_new(const struct ramjet_dirty_kvm_ring *ring,
				 struct ramjet_dirty_source **ret,
				 struct ramjet_error *err);
#endif
