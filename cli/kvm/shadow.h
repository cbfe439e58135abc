/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_SHADOW_H
#define RJ_CLI_KVM_SHADOW_H
/*
 * What a VM's memory slots cost the kernel. Where KVM shadows page tables in
 * software (no EPT or NPT: a paravirtual host, say) it allocates 8 bytes for
 * each 4 KiB of a slot at once, touched or not: 2 GiB for 1 TiB. It does not
 * ask whether there is as much, and takes other processes' lives for it.
 */
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"

/* 0, or -ENOMEM when slots of `bytes` would take more than half of the
 * memory this host has left. */
RJ_NODISCARD int rj_kvm_shadow_fits(uint64_t bytes, struct ramjet_error *err);
#endif
