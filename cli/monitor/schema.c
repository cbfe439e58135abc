/* SPDX-License-Identifier: BSD-3-Clause */
/* query-qmp-schema: QEMU's SchemaInfo, made of the very tables by which
 * commands, parameters, capabilities and events are checked and sent. */
#include "cli/monitor/schema.h"

#include <string.h>

#include "cli/monitor/settings.h"
#include "util/compiler.h"

#define PARAMETERS   "MigrationParameters"
#define CAPABILITIES "MigrationCapability"
#define STATUS       "MigrationCapabilityStatus"
#define NOTHING      "q_empty"

static void append(json_t *array, json_t *value)
{
	(void)json_array_append_new(array, value);
}

static const char *type_name(enum rj_qmp_type type)
{
	static const char *const names[] = {
		[RJ_QMP_TEXT] = "str",   [RJ_QMP_WHOLE] = "int",
		[RJ_QMP_BOOL] = "bool",  [RJ_QMP_ARRAY] = "[any]",
		[RJ_QMP_OBJECT] = "any",
	};

	return names[type];
}

/* A `default` of null says that it may be left out. */
static json_t *member(const char *name, const char *type, bool optional)
{
	json_t *object = json_pack("{s:s, s:s}", "name", name, "type", type);

	if (optional)
		(void)json_object_set_new(object, "default", json_null());
	return object;
}

static void add_builtins(json_t *schema)
{
	static const char *const rows[][2] = {
		{ "str", "string" },
		{ "int", "int" },
		{ "bool", "boolean" },
		{ "any", "value" },
	};

	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++)
		append(schema, json_pack("{s:s, s:s, s:s}", "name", rows[i][0],
					 "meta-type", "builtin", "json-type",
					 rows[i][1]));
	append(schema, json_pack("{s:s, s:s, s:s}", "name", "[any]",
				 "meta-type", "array", "element-type", "any"));
	append(schema, json_pack("{s:s, s:s, s:[]}", "name", NOTHING,
				 "meta-type", "object", "members"));
}

/* As both, old and new, have it. */
static void add_enum(json_t *schema, const char *name, json_t *values)
{
	json_t *members = json_array(), *value;
	size_t index;

	json_array_foreach(values, index, value)
		append(members, json_pack("{s:O}", "name", value));
	append(schema,
	       json_pack("{s:s, s:s, s:o, s:o}", "name", name, "meta-type",
			 "enum", "members", members, "values", values));
}

static void add_object(json_t *schema, const char *name, json_t *members)
{
	append(schema, json_pack("{s:s, s:s, s:o}", "name", name, "meta-type",
				 "object", "members", members));
}

static json_t *choices_of(const char *choices)
{
	json_t *values = json_array();

	while (*choices) {
		const size_t bytes = strcspn(choices, "|");

		append(values, json_stringn(choices, bytes));
		choices += bytes + (choices[bytes] == '|');
	}
	return values;
}

/* All can be left out; a choice is an enum that has the parameter's name. */
static void add_parameters(json_t *schema)
{
	struct rj_cli_setting_shape shape;
	json_t *members = json_array();

	for (size_t i = 0; rj_cli_settings_shape(i, &shape); i++) {
		if (shape.choices)
			add_enum(schema, shape.name, choices_of(shape.choices));
		append(members, member(shape.name,
				       shape.choices ? shape.name
						     : type_name(shape.type),
				       true));
	}
	add_object(schema, PARAMETERS, members);
}

static void add_capabilities(json_t *schema)
{
	json_t *names = json_array();
	const char *name;

	for (size_t i = 0; (name = rj_cli_capabilities_name(i)); i++)
		append(names, json_string(name));
	add_enum(schema, CAPABILITIES, names);
	add_object(schema, STATUS,
		   json_pack("[o, o]",
			     member("capability", CAPABILITIES, false),
			     member("state", "bool", false)));
	append(schema, json_pack("{s:s, s:s, s:s}", "name", "[" STATUS "]",
				 "meta-type", "array", "element-type", STATUS));
}

/* The object of these arguments; its name, *returned*. */
static json_t *add_arguments(json_t *schema, const char *of,
			     const struct rj_qmp_argument *arguments)
{
	json_t *name, *members;

	if (!arguments)
		return json_string(NOTHING);
	members = json_array();
	for (; arguments->name; arguments++) {
		const bool statuses = !strcmp(arguments->name, "capabilities");

		append(members, member(arguments->name,
				       statuses ? "[" STATUS "]"
						: type_name(arguments->type),
				       arguments->optional));
	}
	name = json_sprintf("%s-arg", of);
	add_object(schema, json_string_value(name), members);
	return name;
}

static const char *result_of(const char *command)
{
	if (!strcmp(command, "query-migrate-parameters"))
		return PARAMETERS;
	if (!strcmp(command, "query-migrate-capabilities"))
		return "[" STATUS "]";
	if (!strncmp(command, "query-", 6) ||
	    !strcmp(command, "x-ramjet-query-report"))
		return "any";
	return strcmp(command, "human-monitor-command") ? NOTHING : "str";
}

static void add_command(json_t *schema, const struct rj_qmp_command *row)
{
	json_t *argument = row->checks_itself ? json_string(PARAMETERS)
					      : add_arguments(schema, row->name,
							      row->arguments);

	append(schema,
	       json_pack("{s:s, s:s, s:o, s:s, s:b}", "name", row->name,
			 "meta-type", "command", "arg-type", argument,
			 "ret-type", result_of(row->name), "allow-oob", false));
}

json_t *rj_cli_schema(const struct rj_qmp_command *commands,
		      const struct rj_cli_event *events)
{
	json_t *schema = json_array();

	add_builtins(schema);
	add_parameters(schema);
	add_capabilities(schema);
	for (; commands->name; commands++)
		add_command(schema, commands);
	for (; events->name; events++)
		append(schema,
		       json_pack("{s:s, s:s, s:o}", "name", events->name,
				 "meta-type", "event", "arg-type",
				 add_arguments(schema, events->name,
					       events->data)));
	return schema;
}
