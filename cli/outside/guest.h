/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OUTSIDE_GUEST_H
#define RJ_CLI_OUTSIDE_GUEST_H
/*
 * qemu:, the guest of a QEMU that runs beside this process. Nothing of it is
 * ours: its memory is tracked and copied from outside, it is stopped, saved,
 * loaded and let go by its monitor, and it is left as it was found.
 */
#include "cli/guest/guest.h"

extern const struct rj_cli_guest_kind rj_cli_guest_qemu;
#endif
