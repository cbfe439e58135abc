/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/monitor/machine.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/base/json_text.h"
#include "cli/monitor/state.h"
#include "util/error.h"

static int returns(struct rj_qmp_call *call, json_t *result,
		   struct ramjet_error *err)
{
	call->result = result;
	return result ? 0 : rj_fail(err, -ENOMEM, "out of memory");
}

/* A guest of ramjet's has neither name nor UUID: what QEMU says of one that
 * was given none. */
int rj_cli_query_name(struct rj_qmp_call *call, struct ramjet_error *err)
{
	return returns(call, json_object(), err);
}

int rj_cli_query_uuid(struct rj_qmp_call *call, struct ramjet_error *err)
{
	return returns(call,
		       json_pack("{s:s}", "UUID",
				 "00000000-0000-0000-0000-000000000000"),
		       err);
}

int rj_cli_query_kvm(struct rj_qmp_call *call, struct ramjet_error *err)
{
	const struct rj_cli_monitor *m = call->user;
	const bool enabled = !strcmp(m->guest.guest->kind->name, "kvm");

	return returns(call,
		       json_pack("{s:b, s:b}", "enabled", enabled, "present",
				 enabled || !access("/dev/kvm", R_OK | W_OK)),
		       err);
}

int rj_cli_query_target(struct rj_qmp_call *call, struct ramjet_error *err)
{
	struct utsname machine = { 0 };

	if (uname(&machine))
		return rj_fail_errno(err, -errno, "uname");
	return returns(
		call, json_pack("{s:o}", "arch", rj_json_text(machine.machine)),
		err);
}

/* vCPUs are the VMM's business; ramjet's own guests have none to plug. */
int rj_cli_query_cpus(struct rj_qmp_call *call, struct ramjet_error *err)
{
	return returns(call, json_array(), err);
}
