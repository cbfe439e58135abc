/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUEST_KINDS_H
#define RJ_CLI_GUEST_KINDS_H
/* Which kinds of guests this build has: those of cli/guest/, and cli/kvm/'s
 * where there is KVM, and cli/outside/'s. */
#include "cli/guest/guest.h"

/* As kind->findings, of the kind that `spec` names. */
bool rj_cli_guest_findings(const struct rj_cli_guest_spec *spec,
			   rj_cli_finding_fn *tell, void *user);
/* As kind->create, of the kind that `spec` names. -ENOTSUP when the build
 * lacks it. */
int rj_cli_guest_new(const struct rj_cli_guest_spec *spec,
		     enum rj_cli_role role, struct rj_cli_guest **ret,
		     struct ramjet_error *err);
#endif
