/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_KVM_TRIAL_H
#define RJ_DIRTY_KVM_TRIAL_H
/*
 * Whether this kernel's dirty rings can be relied on: found out by trying, in
 * a VM of its own that lives for some milliseconds and writes more pages than
 * its ring has entries. KVM must make the vCPU leave before the ring is full;
 * there are kernels (seen: 6.18 with paravirtual KVM) that overwrite entries
 * instead (with one warning in the kernel log), after which pages are lost and
 * the vCPU never runs again.
 */
#include "ramjet.h"
#include "util/compiler.h"

/*
 * `kvm_fd` is /dev/kvm. 0: sound; -EOPNOTSUPP: not, and why; another negative
 * errno: it could not be tried. On machines other than x86 nothing is tried.
 */
RJ_NODISCARD int rj_kvm_trial_rings(int kvm_fd, struct ramjet_error *err);
#endif
