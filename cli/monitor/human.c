/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/monitor/human.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/base/json_text.h"
#include "cli/monitor/settings.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/parse.h"

/* The longest path, and what goes before it. */
#define LINE_BYTES_MAX 4400u
#define WORDS_MAX      4u
/* QEMU's. */
#define DOWNTIME_US_MAX 2000000000u
/* The monitor's lines end as on a terminal. */
#define EOL    "\r\n"
#define BLANKS " \t\r\n"

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
	{ "x-ramjet-word", true, "one word", " pages", 0, true },
	{ "x-ramjet-compressed", true, "compressed", " pages", 0, true },
	{ "x-ramjet-delta", true, "deltas", " pages", 0, true },
	{ "x-ramjet-saved-bytes", true, "saved", " kbytes", 10, true },
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
		      char **words)
{
	const char *word = words[1];
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
			 char **words)
{
	const char *word = words[1];
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
	else if (!us || us > DOWNTIME_US_MAX)
		(void)fprintf(out, "Error: Parameter 'downtime_limit' expects "
				   "a time from 1us to 2000 seconds" EOL);
	else
		set(out, ops, "x-ramjet-downtime-limit-us", us);
}

/* ---- QMP's commands in other words ---- */

/* `arguments` is *taken*. */
static void execute(FILE *out, const struct rj_cli_human_ops *ops,
		    const char *name, json_t *arguments)
{
	struct ramjet_error error = { 0 };

	if (ops->execute(ops->user, name, arguments, NULL, &error))
		(void)fprintf(out, "Error: %s" EOL, error.message);
}

static void cancel(FILE *out, const struct rj_cli_human_ops *ops, char **words)
{
	(void)words;
	execute(out, ops, "migrate_cancel", NULL);
}

/* The rest of the line is the URI: an exec: command has blanks. */
static void migrate(FILE *out, const struct rj_cli_human_ops *ops, char *rest)
{
	bool detached = false;
	size_t bytes;

	for (;;) {
		rest += strspn(rest, BLANKS);
		if (strncmp(rest, "-d", 2) || !strspn(rest + 2, BLANKS))
			break;
		detached = true;
		rest += 2;
	}
	for (bytes = strlen(rest); bytes && strchr(BLANKS, rest[bytes - 1]);)
		rest[--bytes] = '\0';
	if (bytes > 1 && *rest == '"' && rest[bytes - 1] == '"') {
		rest[bytes - 1] = '\0';
		rest++;
	}
	if (!*rest || *rest == '-') {
		(void)fprintf(out, "migrate: expected: [-d] URI" EOL);
		return;
	}
	if (!detached)
		(void)fprintf(out, "terminal does not allow synchronous "
				   "migration, continuing detached" EOL);
	execute(out, ops, "migrate",
		json_pack("{s:o}", "uri", rj_json_text(rest)));
}

static bool parse_flag(const char *word, bool *ret)
{
	*ret = !strcmp(word, "on") || !strcmp(word, "true");
	return *ret || !strcmp(word, "off") || !strcmp(word, "false");
}

static bool is_rate(const char *name)
{
	return !strcmp(name, "max-bandwidth") ||
	       !strcmp(name, "avail-switchover-bandwidth");
}

/* NULL: it is none of that type. */
static json_t *parse_value(const struct rj_cli_setting_shape *shape,
			   const char *word)
{
	char text[LINE_BYTES_MAX + 2];
	uint64_t number;
	bool flag;

	if (shape->type == RJ_QMP_BOOL)
		return parse_flag(word, &flag) ? json_boolean(flag) : NULL;
	if (shape->type != RJ_QMP_WHOLE)
		return rj_json_text(word);
	(void)snprintf(text, sizeof(text), "%s%s", word,
		       is_rate(shape->name) &&
				       !word[strspn(word, "0123456789.")]
			       ? "M"
			       : "");
	if (is_rate(shape->name)
		    ? rj_parse_size("", text, &number, NULL)
		    : rj_parse_uint("", word, 0, INT64_MAX, &number, NULL))
		return NULL;
	return number > INT64_MAX ? NULL : json_integer((json_int_t)number);
}

static void set_parameter(FILE *out, const struct rj_cli_human_ops *ops,
			  char **words)
{
	struct rj_cli_setting_shape shape;
	json_t *value;

	for (size_t i = 0; rj_cli_settings_shape(i, &shape); i++) {
		if (strcmp(shape.name, words[1]) != 0)
			continue;
		value = parse_value(&shape, words[2]);
		if (!value)
			(void)fprintf(out,
				      "Error: Parameter '%s' does not accept "
				      "value '%s'" EOL,
				      shape.name, words[2]);
		else
			execute(out, ops, "migrate-set-parameters",
				json_pack("{s:o}", shape.name, value));
		return;
	}
	(void)fprintf(out, "Error: invalid parameter value: %s" EOL, words[1]);
}

static void set_capability(FILE *out, const struct rj_cli_human_ops *ops,
			   char **words)
{
	bool state;

	if (!parse_flag(words[2], &state))
		(void)fprintf(out, "Error: '%s', expected on or off" EOL,
			      words[2]);
	else
		execute(out, ops, "migrate-set-capabilities",
			json_pack("{s:[{s:o, s:b}]}", "capabilities",
				  "capability", rj_json_text(words[1]), "state",
				  state));
}

static json_t *ask(FILE *out, const struct rj_cli_human_ops *ops,
		   const char *name)
{
	struct ramjet_error error = { 0 };
	json_t *result = NULL;

	if (ops->execute(ops->user, name, NULL, &result, &error))
		(void)fprintf(out, "Error: %s" EOL, error.message);
	return result;
}

static void info_parameters(FILE *out, const struct rj_cli_human_ops *ops)
{
	json_t *object = ask(out, ops, "query-migrate-parameters"), *value;
	const char *name;

	json_object_foreach(object, name, value)
	{
		if (json_is_string(value))
			(void)fprintf(out, "%s: %s" EOL, name,
				      json_string_value(value));
		else if (json_is_boolean(value))
			(void)fprintf(out, "%s: %s" EOL, name,
				      json_is_true(value) ? "on" : "off");
		else
			(void)fprintf(out, "%s: %lld%s" EOL, name,
				      (long long)json_integer_value(value),
				      is_rate(name) ? " bytes/second"
				      : !strcmp(name, "downtime-limit") ? " ms"
									: "");
	}
	json_decref(object);
}

static void info_capabilities(FILE *out, const struct rj_cli_human_ops *ops)
{
	json_t *array = ask(out, ops, "query-migrate-capabilities"), *row;
	size_t index;

	json_array_foreach(array, index, row)(void) fprintf(
		out, "%s: %s" EOL,
		json_string_value(json_object_get(row, "capability")),
		json_is_true(json_object_get(row, "state")) ? "on" : "off");
	json_decref(array);
}

/* ---- words ---- */

static unsigned split(char *line, char *words[WORDS_MAX])
{
	unsigned count = 0;
	char *word;

	while (count < WORDS_MAX && (word = strsep(&line, BLANKS)))
		if (*word)
			words[count++] = word;
	return count;
}

static bool run_info(FILE *out, const struct rj_cli_human_ops *ops,
		     char **words, unsigned count)
{
	static const struct {
		const char *what;
		void (*show)(FILE *out, const struct rj_cli_human_ops *ops);
	} rows[] = {
		{ "migrate", info_migrate },
		{ "migrate_parameters", info_parameters },
		{ "migrate_capabilities", info_capabilities },
	};

	if (count != 2 || strcmp(words[0], "info") != 0)
		return false;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++) {
		if (strcmp(words[1], rows[i].what) != 0)
			continue;
		rows[i].show(out, ops);
		return true;
	}
	return false;
}

static void run(FILE *out, char *line, const struct rj_cli_human_ops *ops)
{
	static const struct {
		const char *name;
		unsigned count; /* of words after it */
		const char *expected;
		void (*run)(FILE *out, const struct rj_cli_human_ops *ops,
			    char **words);
	} verbs[] = {
		{ "migrate_set_speed", 1, "one value expected", set_speed },
		{ "migrate_set_downtime", 1, "one value expected",
		  set_downtime },
		{ "migrate_cancel", 0, "no value expected", cancel },
		{ "migrate_set_parameter", 2, "a name and a value expected",
		  set_parameter },
		{ "migrate_set_capability", 2, "a name, on or off expected",
		  set_capability },
	};
	char *words[WORDS_MAX] = { NULL };
	char *first = line + strspn(line, BLANKS);
	unsigned count;

	if (!strncmp(first, "migrate", 7) &&
	    (!first[7] || strchr(BLANKS, first[7]))) {
		migrate(out, ops, first + 7);
		return;
	}
	count = split(line, words);
	if (!count || run_info(out, ops, words, count))
		return;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(verbs); i++) {
		if (strcmp(words[0], verbs[i].name))
			continue;
		if (count == 1 + verbs[i].count)
			verbs[i].run(out, ops, words);
		else
			(void)fprintf(out, "%s: %s" EOL, words[0],
				      verbs[i].expected);
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
