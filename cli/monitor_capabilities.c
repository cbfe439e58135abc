/* SPDX-License-Identifier: BSD-3-Clause */
/* Migration capabilities: what can only be on or off. */
#include <errno.h>
#include <string.h>

#include "cli/monitor_settings.h"
#include "cli/qmp_arguments.h"
#include "util/error.h"

struct capability {
	const char *name;
	size_t offset; /* of the flag in struct rj_cli_settings */
	/* Not ours to change: it always is `state`; why. */
	const char *fixed;
	bool state;
};

#define FLAG(member) .offset = offsetof(struct rj_cli_settings, member)

static const struct capability capabilities[] = {
	{ "multifd", FLAG(multifd) },
	{ "auto-converge", FLAG(params.throttle) },
	{ "events", FLAG(events) },
	{ "pause-before-switchover", FLAG(params.hold) },
	{ "return-path", .state = true,
	  .fixed = "ramjet uses it wherever a connection has two directions" },
	{ "zero-copy-send", .state = false,
	  .fixed = "not offered by this version of ramjet" },
};

static const struct capability *find(const char *name)
{
	for (size_t i = 0; i < RJ_ARRAY_SIZE(capabilities); i++)
		if (!strcmp(capabilities[i].name, name))
			return &capabilities[i];
	return NULL;
}

static bool is_on(const struct capability *row, const struct rj_cli_settings *s)
{
	bool state = row->state;

	if (!row->fixed)
		memcpy(&state, (const char *)s + row->offset, sizeof(state));
	return state;
}

static int set_one(struct rj_cli_settings *s, json_t *wanted,
		   struct ramjet_error *err)
{
	static const struct rj_qmp_argument members[] = {
		{ "capability", RJ_QMP_TEXT, false },
		{ "state", RJ_QMP_BOOL, false },
		{ 0 },
	};
	const struct capability *row;
	const char *name;
	bool state;
	int rc;

	if (!json_is_object(wanted))
		return rj_fail(err, -EINVAL,
			       "Invalid parameter type for 'capabilities', "
			       "expected: array of objects");
	rc = rj_qmp_arguments_check(members, wanted, err);
	if (rc)
		return rc;
	name = json_string_value(json_object_get(wanted, "capability"));
	state = json_is_true(json_object_get(wanted, "state"));
	row = find(name);
	if (!row)
		return rj_fail(err, -EINVAL,
			       "Parameter 'capability' does not accept value "
			       "'%.100s'",
			       name);
	if (row->fixed && state != row->state)
		return rj_fail(err, -EOPNOTSUPP,
			       "Capability '%s' is always %s: %s", name,
			       row->state ? "on" : "off", row->fixed);
	if (!row->fixed)
		memcpy((char *)s + row->offset, &state, sizeof(state));
	return 0;
}

int rj_cli_capabilities_set(struct rj_cli_settings *s, json_t *wanted,
			    struct ramjet_error *err)
{
	struct rj_cli_settings changed = *s;
	json_t *value;
	size_t index;

	json_array_foreach(wanted, index, value)
	{
		int rc = set_one(&changed, value, err);

		if (rc)
			return rc;
	}
	changed.params.channels =
		changed.multifd ? changed.multifd_channels : 1;
	*s = changed;
	return 0;
}

json_t *rj_cli_capabilities_show(const struct rj_cli_settings *s)
{
	json_t *array = json_array();

	for (size_t i = 0; i < RJ_ARRAY_SIZE(capabilities); i++)
		(void)json_array_append_new(
			array, json_pack("{s:b, s:s}", "state",
					 is_on(&capabilities[i], s),
					 "capability", capabilities[i].name));
	return array;
}
