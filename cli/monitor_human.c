/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/monitor_human.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "util/parse.h"

#define LINE_BYTES_MAX 256u
#define WORDS_MAX      4u
/* The monitor's lines end as on a terminal. */
#define EOL "\r\n"

/* ---- info migrate ---- */

static const struct line {
	const char *name; /* of the member */
	bool in_ram;      /* of the object's `ram` */
	const char *label;
	const char *unit;
	unsigned shift; /* printed as value >> shift */
	bool optional;  /* no line for 0 */
} lines[] = {
	/* clang-format off */
	{ "total-time", false, "total time", " ms", 0, false },
	{ "expected-downtime", false, "expected downtime", " ms", 0, false },
	{ "downtime", false, "downtime", " ms", 0, false },
	{ "setup-time", false, "setup", " ms", 0, false },
	{ "transferred", true, "transferred ram", " kbytes", 10, false },
	{ "mbps", true, "throughput", " mbps", 0, false },
	{ "remaining", true, "remaining ram", " kbytes", 10, false },
	{ "total", true, "total ram", " kbytes", 10, false },
	{ "duplicate", true, "duplicate", " pages", 0, false },
	{ "skipped", true, "skipped", " pages", 0, false },
	{ "normal", true, "normal", " pages", 0, false },
	{ "normal-bytes", true, "normal bytes", " kbytes", 10, false },
	{ "dirty-sync-count", true, "dirty sync count", "", 0, false },
	{ "page-size", true, "page size", " kbytes", 10, false },
	{ "multifd-bytes", true, "multifd bytes", " kbytes", 10, false },
	{ "pages-per-second", true, "pages-per-second", "", 0, false },
	{ "dirty-pages-rate", true, "dirty pages rate", " pages", 0, true },
	{ "precopy-bytes", true, "precopy ram", " kbytes", 10, true },
	{ "downtime-bytes", true, "downtime ram", " kbytes", 10, true },
	{ "cpu-throttle-percentage", false, "cpu throttle percentage", "", 0,
	  false },
	/* clang-format on */
};

static void print_line(FILE *out, const struct line *line, const json_t *object)
{
	const json_t *ram = json_object_get(object, "ram");
	const json_t *value =
		json_object_get(line->in_ram ? ram : object, line->name);
	long long number = json_integer_value(value) >> line->shift;

	if (json_is_real(value))
		(void)fprintf(out, "%s: %0.2f%s" EOL, line->label,
			      json_real_value(value), line->unit);
	else if (value && (number || !line->optional))
		(void)fprintf(out, "%s: %lld%s" EOL, line->label, number,
			      line->unit);
}

static void print_blockers(FILE *out, const json_t *reasons)
{
	const json_t *reason;
	size_t index;

	if (json_array_size(reasons))
		(void)fprintf(out, "Outgoing migration blocked:" EOL);
	json_array_foreach(reasons, index, reason)(void)
		fprintf(out, "  %s" EOL, json_string_value(reason));
}

static void info_migrate(FILE *out, const struct rj_cli_human_ops *ops)
{
	json_t *object = ops->migration(ops->user);
	const char *status =
		json_string_value(json_object_get(object, "status"));
	const char *error =
		json_string_value(json_object_get(object, "error-desc"));

	print_blockers(out, json_object_get(object, "blocked-reasons"));
	if (status) {
		(void)fprintf(out, "Migration status: %s", status);
		if (error)
			(void)fprintf(out, " (%s)", error);
		(void)fprintf(out, EOL);
	}
	for (size_t i = 0; i < RJ_ARRAY_SIZE(lines); i++)
		print_line(out, &lines[i], object);
	json_decref(object);
}

/* ---- setters ---- */

static void set(FILE *out, const struct rj_cli_human_ops *ops, const char *name,
		uint64_t value)
{
	struct ramjet_error error = { 0 };

	if (ops->set(ops->user, name, value, &error))
		(void)fprintf(out, "Error: %s" EOL, error.message);
}

/* Bytes with B K M G T, fractions too; a bare number is MiB. */
static void set_speed(FILE *out, const struct rj_cli_human_ops *ops,
		      const char *word)
{
	char text[LINE_BYTES_MAX + 2];
	size_t bytes = strlen(word);
	bool bare = bytes && strspn(word + bytes - 1, "0123456789.");
	uint64_t value;

	(void)snprintf(text, sizeof(text), "%s%s", word, bare ? "M" : "");
	if (rj_parse_size("value", text, &value, NULL))
		(void)fprintf(out, "invalid size" EOL);
	else
		set(out, ops, "max-bandwidth", value);
}

/* Seconds as a decimal, or with ms, us, ns. */
static void set_downtime(FILE *out, const struct rj_cli_human_ops *ops,
			 const char *word)
{
	const char *unit = word + strspn(word, "0123456789.");
	char text[LINE_BYTES_MAX + 2];
	uint64_t us;

	(void)snprintf(text, sizeof(text), "%s%s", word, *unit ? "" : "s");
	if (unit == word)
		(void)fprintf(out, "number expected" EOL);
	else if (*unit && strcmp(unit, "ms") && strcmp(unit, "us") &&
		 strcmp(unit, "ns"))
		(void)fprintf(out, "Unknown unit suffix" EOL);
	else if (rj_parse_duration_us("value", text, &us, NULL))
		(void)fprintf(out, "number expected" EOL);
	else
		set(out, ops, "x-ramjet-downtime-limit-us", us);
}

/* ---- words ---- */

static unsigned split(char *line, char *words[WORDS_MAX])
{
	unsigned count = 0;
	char *word;

	while (count < WORDS_MAX && (word = strsep(&line, " \t\r\n")))
		if (*word)
			words[count++] = word;
	return count;
}

static void run(FILE *out, char *line, const struct rj_cli_human_ops *ops)
{
	static const struct {
		const char *name;
		void (*set)(FILE *out, const struct rj_cli_human_ops *ops,
			    const char *word);
	} setters[] = {
		{ "migrate_set_speed", set_speed },
		{ "migrate_set_downtime", set_downtime },
	};
	char *words[WORDS_MAX] = { NULL };
	unsigned count = split(line, words);

	if (!count)
		return;
	if (count == 2 && !strcmp(words[0], "info") &&
	    !strcmp(words[1], "migrate")) {
		info_migrate(out, ops);
		return;
	}
	for (size_t i = 0; i < RJ_ARRAY_SIZE(setters); i++) {
		if (strcmp(words[0], setters[i].name))
			continue;
		if (count == 2)
			setters[i].set(out, ops, words[1]);
		else
			(void)fprintf(out, "%s: one value expected" EOL,
				      words[0]);
		return;
	}
	(void)fprintf(out, "unknown command: '%s%s%s'" EOL, words[0],
		      count > 1 ? " " : "", count > 1 ? words[1] : "");
}

char *rj_cli_human_run(const char *line, const struct rj_cli_human_ops *ops)
{
	char copy[LINE_BYTES_MAX + 1];
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	if (strlen(line) > LINE_BYTES_MAX) {
		(void)fprintf(out, "the command is too long" EOL);
	} else {
		(void)snprintf(copy, sizeof(copy), "%s", line);
		run(out, copy, ops);
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
