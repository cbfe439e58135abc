/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_GUEST_H
#define RJ_CLI_KVM_GUEST_H
/* A real virtual machine that runs the built-in program. */
#include "cli/guest/guest.h"

extern const struct rj_cli_guest_kind rj_cli_guest_kvm;
#endif
