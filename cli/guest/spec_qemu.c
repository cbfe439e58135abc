/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest/spec_qemu.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "util/error.h"
#include "util/parse.h"

static const char *const via_names[] = {
	[RJ_CLI_VIA_AUTO] = "auto",
	[RJ_CLI_VIA_PTRACE] = "ptrace",
	[RJ_CLI_VIA_PRELOAD] = "preload",
};
static const char *const state_names[] = {
	[RJ_CLI_STATE_AUTO] = "auto",
	[RJ_CLI_STATE_SAVE] = "save",
	[RJ_CLI_STATE_MIGRATE] = "migrate",
};

static int parse_pid(const char *what, const char *value, pid_t *ret,
		     struct ramjet_error *err)
{
	uint64_t pid;
	const int rc = rj_parse_uint(what, value, 1, INT_MAX, &pid, err);

	if (!rc)
		*ret = (pid_t)pid;
	return rc;
}

int rj_cli_qemu_pid(struct rj_cli_qemu_spec *spec, const char *what,
		    const char *value, struct ramjet_error *err)
{
	return parse_pid(what, value, &spec->pid, err);
}

/* Which of `count` names it is; -1: none. */
static int one_of(const char *const *names, unsigned count, const char *value)
{
	for (unsigned i = 0; i < count; i++)
		if (!strcmp(names[i], value))
			return (int)i;
	return -1;
}

int rj_cli_qemu_via(struct rj_cli_qemu_spec *spec, const char *what,
		    const char *value, struct ramjet_error *err)
{
	const int which = one_of(via_names, RJ_CLI_VIA_COUNT_, value);

	if (which < 0)
		return rj_fail(err, -EINVAL,
			       "%s: '%s' is unknown, wanted auto, ptrace or "
			       "preload",
			       what, value);
	spec->via = (unsigned)which;
	return 0;
}

int rj_cli_qemu_state(struct rj_cli_qemu_spec *spec, const char *what,
		      const char *value, struct ramjet_error *err)
{
	const int which = one_of(state_names, RJ_CLI_STATE_COUNT_, value);

	if (which < 0)
		return rj_fail(err, -EINVAL,
			       "%s: '%s' is unknown, wanted auto, save or "
			       "migrate",
			       what, value);
	spec->state = (unsigned)which;
	return 0;
}

int rj_cli_qemu_also(struct rj_cli_qemu_spec *spec, const char *what,
		     const char *value, struct ramjet_error *err)
{
	pid_t pid;
	const int rc = parse_pid(what, value, &pid, err);

	if (rc)
		return rc;
	for (unsigned i = 0; i < spec->also_count; i++)
		if (spec->also[i] == pid)
			return rj_fail(err, -EINVAL, "%s: %d is given twice",
				       what, (int)pid);
	if (spec->also_count == RJ_CLI_ALSO_MAX)
		return rj_fail(err, -ERANGE, "%s: more than %u processes", what,
			       RJ_CLI_ALSO_MAX);
	spec->also[spec->also_count++] = pid;
	return 0;
}

int rj_cli_qemu_file(char *ret, size_t bytes, const char *what,
		     const char *value, struct ramjet_error *err)
{
	if (!*value || strlen(value) >= bytes)
		return rj_fail(err, -EINVAL,
			       "%s: wanted a path of 1 to %zu bytes", what,
			       bytes - 1);
	(void)snprintf(ret, bytes, "%s", value);
	return 0;
}
