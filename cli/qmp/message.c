/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qmp/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/json_text.h"
#include "ramjet.h"

json_t *rj_qmp_version(void)
{
	const char *text = ramjet_version();
	int major = 0, minor = 0, micro = 0;
	char package[64], *end;

	major = (int)strtol(text, &end, 10);
	if (*end == '.')
		minor = (int)strtol(end + 1, &end, 10);
	if (*end == '.')
		micro = (int)strtol(end + 1, &end, 10);
	(void)snprintf(package, sizeof(package), "ramjet %s", text);
	return json_pack("{s:{s:i, s:i, s:i}, s:s}", "qemu", "major", major,
			 "minor", minor, "micro", micro, "package", package);
}

json_t *rj_qmp_greeting(void)
{
	return json_pack("{s:{s:o, s:[]}}", "QMP", "version", rj_qmp_version(),
			 "capabilities");
}

static json_t *with_id(json_t *message, json_t *id)
{
	if (message && id && json_object_set(message, "id", id)) {
		json_decref(message);
		return NULL;
	}
	return message;
}

json_t *rj_qmp_return(json_t *value, json_t *id)
{
	return with_id(
		json_pack("{s:o}", "return", value ? value : json_object()),
		id);
}

json_t *rj_qmp_error(const char *class_name, const char *text, json_t *id)
{
	return with_id(json_pack("{s:{s:s, s:o}}", "error", "class", class_name,
				 "desc", rj_json_text(text)),
		       id);
}

json_t *rj_qmp_event(const char *name, json_t *data, uint64_t at_us)
{
	json_t *event = json_pack("{s:{s:I, s:I}, s:s}", "timestamp", "seconds",
				  (json_int_t)(at_us / 1000000), "microseconds",
				  (json_int_t)(at_us % 1000000), "event", name);

	if (event && data && json_object_set_new(event, "data", data)) {
		json_decref(event);
		return NULL;
	}
	if (!event)
		json_decref(data);
	return event;
}

char *rj_qmp_line(json_t *message)
{
	char *text = message ? rj_json_dump(message, 0) : NULL;
	char *line = NULL;

	json_decref(message);
	if (text && asprintf(&line, "%s\r\n", text) < 0)
		line = NULL;
	free(text);
	return line;
}
