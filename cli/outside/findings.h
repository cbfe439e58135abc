/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OUTSIDE_FINDINGS_H
#define RJ_CLI_OUTSIDE_FINDINGS_H
/* Could this QEMU's guest be moved, and what is missing? Nothing is changed. */
#include "cli/guest/guest.h"

bool rj_qemu_guest_findings(const struct rj_cli_guest_spec *spec,
			    rj_cli_finding_fn *tell, void *user);
#endif
