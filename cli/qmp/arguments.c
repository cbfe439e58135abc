/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qmp/arguments.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"

static bool has_type(const json_t *value, enum rj_qmp_type type)
{
	switch (type) {
	case RJ_QMP_TEXT:
		return json_is_string(value);
	case RJ_QMP_WHOLE:
		return json_is_integer(value);
	case RJ_QMP_BOOL:
		return json_is_boolean(value);
	case RJ_QMP_OBJECT:
		return json_is_object(value);
	default:
		return json_is_array(value);
	}
}

int rj_qmp_type_check(const char *name, enum rj_qmp_type type,
		      const json_t *value, struct ramjet_error *err)
{
	static const char *const names[] = { "string", "integer", "boolean",
					     "array", "object" };

	if (has_type(value, type))
		return 0;
	return rj_fail(err, -EINVAL,
		       "Invalid parameter type for '%.100s', expected: %s",
		       name, names[type]);
}

static const struct rj_qmp_argument *find(const struct rj_qmp_argument *wanted,
					  const char *name)
{
	for (; wanted && wanted->name; wanted++)
		if (!strcmp(wanted->name, name))
			return wanted;
	return NULL;
}

int rj_qmp_arguments_check(const struct rj_qmp_argument *wanted, json_t *given,
			   struct ramjet_error *err)
{
	const char *name;
	json_t *value;

	for (const struct rj_qmp_argument *row = wanted; row && row->name;
	     row++)
		if (!row->optional && !json_object_get(given, row->name))
			return rj_fail(err, -EINVAL,
				       "Parameter '%s' is missing", row->name);
	json_object_foreach(given, name, value)
	{
		const struct rj_qmp_argument *row = find(wanted, name);
		int rc;

		if (!row)
			return rj_fail(err, -EINVAL,
				       "Parameter '%.100s' is unexpected",
				       name);
		rc = rj_qmp_type_check(name, row->type, value, err);
		if (rc)
			return rc;
	}
	return 0;
}
