/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest_kinds.h"

#include <errno.h>
#include <string.h>

#include "cli/guest/file.h"
#include "cli/outside/guest.h"
#ifdef RJ_CLI_KVM
#include "cli/kvm/guest.h"
#endif
#include "cli/guest/process.h"
#include "util/error.h"

static const struct rj_cli_guest_kind *const kinds[] = {
	&rj_cli_guest_file,
	&rj_cli_guest_process,
#ifdef RJ_CLI_KVM
	&rj_cli_guest_kvm,
#endif
	&rj_cli_guest_qemu,
};

static const struct rj_cli_guest_kind *find(const char *name)
{
	for (size_t i = 0; i < RJ_ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

bool rj_cli_guest_findings(const struct rj_cli_guest_spec *spec,
			   rj_cli_finding_fn *tell, void *user)
{
	const struct rj_cli_guest_kind *kind = find(spec->kind);

	if (kind && kind->findings)
		return kind->findings(spec, tell, user);
	tell(user, false,
	     "only of a qemu: guest there is something to be found out");
	return false;
}

int rj_cli_guest_new(const struct rj_cli_guest_spec *spec,
		     enum rj_cli_role role, struct rj_cli_guest **ret,
		     struct ramjet_error *err)
{
	const struct rj_cli_guest_kind *kind = find(spec->kind);

	if (!kind)
		return rj_fail(err, -ENOTSUP,
			       "guest %s: not offered by this version",
			       spec->kind);
	return kind->create(spec, role, ret, err);
}
