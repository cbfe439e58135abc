/* SPDX-License-Identifier: BSD-3-Clause */
/* Migration capabilities: what can only be on or off. */
#include <errno.h>
#include <string.h>

#include "cli/monitor/settings.h"
#include "cli/qmp/arguments.h"
#include "util/error.h"

typedef struct rj_cli_settings settings_t;

static bool get_multifd(const settings_t *s)
{
	return s->multifd;
}

static void set_multifd(settings_t *s, bool state)
{
	s->multifd = state;
	s->params.channels = state ? s->multifd_channels : 1;
}

static bool get_throttle(const settings_t *s)
{
	return s->params.throttle;
}

static void set_throttle(settings_t *s, bool state)
{
	s->params.throttle = state;
}

static bool get_events(const settings_t *s)
{
	return s->events;
}

static void set_events(settings_t *s, bool state)
{
	s->events = state;
}

static bool get_hold(const settings_t *s)
{
	return s->params.hold;
}

static void set_hold(settings_t *s, bool state)
{
	s->params.hold = state;
}

/* Unless it is set either way, ramjet tries what is cheaper. */
static bool get_zero_copy(const settings_t *s)
{
	return s->params.zero_copy == RAMJET_ZERO_COPY_ON;
}

static void set_zero_copy(settings_t *s, bool state)
{
	s->params.zero_copy =
		state ? RAMJET_ZERO_COPY_ON : RAMJET_ZERO_COPY_OFF;
}

/* Both sides answer wherever a connection has two directions. */
static bool always(const settings_t *s)
{
	(void)s;
	return true;
}

static const struct capability {
	const char *name;
	bool (*get)(const settings_t *settings);
	void (*set)(settings_t *settings, bool state); /* NULL: fixed */
} capabilities[] = {
	{ "multifd", get_multifd, set_multifd },
	{ "auto-converge", get_throttle, set_throttle },
	{ "events", get_events, set_events },
	{ "pause-before-switchover", get_hold, set_hold },
	{ "zero-copy-send", get_zero_copy, set_zero_copy },
	{ "return-path", always, NULL },
};

/* What QEMU can turn on and ramjet has not: off, as it is. */
static const char *const absent[] = {
	"xbzrle",
	"rdma-pin-all",
	"zero-blocks",
	"compress",
	"postcopy-ram",
	"x-colo",
	"release-ram",
	"block",
	"dirty-bitmaps",
	"postcopy-blocktime",
	"late-block-activate",
	"x-ignore-shared",
	"validate-uuid",
	"background-snapshot",
	"postcopy-preempt",
	"switchover-ack",
	"dirty-limit",
	"mapped-ram",
};

static bool is_absent(const char *name)
{
	for (size_t i = 0; i < RJ_ARRAY_SIZE(absent); i++)
		if (!strcmp(absent[i], name))
			return true;
	return false;
}

static const struct capability *find(const char *name)
{
	for (size_t i = 0; i < RJ_ARRAY_SIZE(capabilities); i++)
		if (!strcmp(capabilities[i].name, name))
			return &capabilities[i];
	return NULL;
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
	if (!row && is_absent(name) && state)
		return rj_fail(err, -EOPNOTSUPP,
			       "Capability '%s' is not offered by this version "
			       "of ramjet, it can only be false",
			       name);
	if (!row && is_absent(name))
		return 0;
	if (!row)
		return rj_fail(err, -EINVAL,
			       "Parameter 'capability' does not accept value "
			       "'%.100s'",
			       name);
	/* `false` is accepted for what can't be turned on: managers set all
	 * capabilities to a value. */
	if (row->set)
		row->set(s, state);
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
	*s = changed;
	return 0;
}

bool rj_cli_capabilities_same(const struct rj_cli_settings *s, json_t *wanted)
{
	struct rj_cli_settings changed = *s;

	if (rj_cli_capabilities_set(&changed, wanted, NULL))
		return false;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(capabilities); i++)
		if (capabilities[i].get(s) != capabilities[i].get(&changed))
			return false;
	return true;
}

const char *rj_cli_capabilities_name(size_t index)
{
	return index < RJ_ARRAY_SIZE(capabilities) ? capabilities[index].name
						   : NULL;
}

json_t *rj_cli_capabilities_show(const struct rj_cli_settings *s)
{
	json_t *array = json_array();

	for (size_t i = 0; i < RJ_ARRAY_SIZE(capabilities); i++)
		(void)json_array_append_new(
			array,
			json_pack("{s:b, s:s}", "state", capabilities[i].get(s),
				  "capability", capabilities[i].name));
	return array;
}
