/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands/command.h"
#include "cli/monitor/settings.h"
#include "cli/remote/monitor_verb.h"
#include "util/error.h"
#include "util/parse.h"
#include "util/utf8.h"

#define KEY_BYTES 64

static const struct rj_cli_verb verb = {
	.name = "set",
	.usage = "KEY=VALUE... MONITOR",
	.about = "Changes parameters of a migration under way, or of the next "
		 "one. All or none:\n\n"
		 "  bandwidth=RATE           most that may be sent, 0: no "
		 "limit\n"
		 "  downtime-limit=TIME      longest pause wanted, as 300ms or "
		 "1s\n"
		 "  switchover-bandwidth=RATE  count on this for the pause, 0: "
		 "measure\n"
		 "  throttle=auto|off|INITIAL:STEP:MAX\n"
		 "  on-no-convergence=continue|switch|fail\n"
		 "  hold=on|off\n"
		 "  timeout, stall-timeout, switchover-timeout, reply-timeout"
		 "=TIME\n"
		 "  channels=N|auto          only before it begins\n\n"
		 "or any parameter of migrate-set-parameters by its own name.",
	.takes_words = true,
};

/* ---- values ---- */

/* Puts what `value` says into `object`. */
typedef int set_fn(json_t *object, const char *name, const char *value,
		   struct ramjet_error *err);

static int put(json_t *object, const char *name, json_t *value)
{
	return json_object_set_new(object, name, value) ? -ENOMEM : 0;
}

static int put_rate(json_t *object, const char *name, const char *value,
		    struct ramjet_error *err)
{
	uint64_t rate;
	int rc = rj_parse_rate(name, value, &rate, err);

	return rc ? rc : put(object, name, json_integer((json_int_t)rate));
}

static int put_downtime(json_t *object, const char *name, const char *value,
			struct ramjet_error *err)
{
	uint64_t us;
	int rc = rj_parse_duration_us("downtime-limit", value, &us, err);

	if (!rc && !us)
		return rj_fail(err, -ERANGE,
			       "downtime-limit: '%s' is too short, wanted 1us "
			       "or more",
			       value);
	return rc ? rc : put(object, name, json_integer((json_int_t)us));
}

/* As the library counts them; never shorter. */
static int put_ms(json_t *object, const char *name, const char *value,
		  struct ramjet_error *err)
{
	uint64_t us;
	int rc = rj_parse_duration_us(name, value, &us, err);

	return rc ? rc
		  : put(object, name,
			json_integer((json_int_t)(us / 1000 + !!(us % 1000))));
}

static int put_text(json_t *object, const char *name, const char *value,
		    struct ramjet_error *err)
{
	if (!rj_utf8_is_valid(value, strlen(value)))
		return rj_fail(err, -EINVAL,
			       "%s: '%s' is no UTF-8, which is what QMP takes",
			       name, value);
	return put(object, name, json_string(value));
}

/* In the words of the command line, not of QMP. */
static int refuse(const char *key, const char *value, const char *wanted,
		  struct ramjet_error *err)
{
	return rj_fail(err, -EINVAL, "%s: '%s' is unknown, wanted %s", key,
		       value, wanted);
}

static int put_hold(json_t *object, const char *name, const char *value,
		    struct ramjet_error *err)
{
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return refuse("hold", value, "on or off", err);
	return put(object, name, json_boolean(value[1] == 'n'));
}

static int put_behaviour(json_t *object, const char *name, const char *value,
			 struct ramjet_error *err)
{
	if (strcmp(value, "continue") != 0 && strcmp(value, "switch") != 0 &&
	    strcmp(value, "fail") != 0)
		return refuse("on-no-convergence", value,
			      "continue, switch or fail", err);
	return put_text(object, name, value, err);
}

/* QMP has 0 for auto. */
static int put_channels(json_t *object, const char *name, const char *value,
			struct ramjet_error *err)
{
	uint64_t count = 0;

	if (strcmp(value, "auto") != 0 &&
	    rj_parse_uint(name, value, 1, 255, &count, NULL))
		return refuse("channels", value, "1 to 255, or auto", err);
	return put(object, name, json_integer((json_int_t)count));
}

/* As it looks: a whole number, on or off, or text. */
static int put_any(json_t *object, const char *name, const char *value,
		   struct ramjet_error *err)
{
	uint64_t number;

	if (!strcmp(value, "on") || !strcmp(value, "true"))
		return put(object, name, json_true());
	if (!strcmp(value, "off") || !strcmp(value, "false"))
		return put(object, name, json_false());
	if (!rj_parse_uint(name, value, 0, INT64_MAX, &number, NULL))
		return put(object, name, json_integer((json_int_t)number));
	return put_text(object, name, value, err);
}

static int put_throttle(json_t *object, const char *name, const char *value,
			struct ramjet_error *err)
{
	static const char *const names[] = { "cpu-throttle-initial",
					     "cpu-throttle-increment",
					     "max-cpu-throttle" };
	bool on = strcmp(value, "off") != 0;
	char copy[KEY_BYTES], *next = copy;
	uint64_t percent;

	if (!on || !strcmp(value, "auto"))
		return put(object, name, json_boolean(on));
	(void)snprintf(copy, sizeof(copy), "%s", value);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(names); i++) {
		const char *item = strsep(&next, ":");

		if (!item || rj_parse_uint(name, item, 1, 99, &percent, NULL) ||
		    (next && i + 1 == RJ_ARRAY_SIZE(names)))
			return rj_fail(err, -EINVAL,
				       "throttle: '%s' is unknown, wanted "
				       "auto, off or INITIAL:STEP:MAX",
				       value);
		(void)put(object, names[i], json_integer((json_int_t)percent));
	}
	return put(object, name, json_true());
}

static const struct {
	const char *key;
	const char *name; /* of the monitor's parameter */
	set_fn *set;
} keys[] = {
	{ "bandwidth", "max-bandwidth", put_rate },
	{ "max-bandwidth", "max-bandwidth", put_rate },
	{ "downtime-limit", "x-ramjet-downtime-limit-us", put_downtime },
	{ "switchover-bandwidth", "avail-switchover-bandwidth", put_rate },
	{ "throttle", "x-ramjet-throttle", put_throttle },
	{ "on-no-convergence", "x-ramjet-on-no-convergence", put_behaviour },
	{ "hold", "x-ramjet-hold", put_hold },
	{ "timeout", "x-ramjet-total-timeout-ms", put_ms },
	{ "stall-timeout", "x-ramjet-stall-timeout-ms", put_ms },
	{ "switchover-timeout", "x-ramjet-switchover-timeout-ms", put_ms },
	{ "reply-timeout", "x-ramjet-reply-timeout-ms", put_ms },
	{ "channels", "multifd-channels", put_channels },
};

static int add(json_t *object, const char *word, struct ramjet_error *err)
{
	const char *value = strchr(word, '=');
	char key[KEY_BYTES];
	size_t bytes = value ? (size_t)(value - word) : 0;

	if (!bytes || bytes >= sizeof(key) || !value[1])
		return rj_fail(err, -EINVAL, "'%s', wanted KEY=VALUE", word);
	memcpy(key, word, bytes);
	key[bytes] = '\0';
	for (size_t i = 0; i < RJ_ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].key, key))
			return keys[i].set(object, keys[i].name, value + 1,
					   err);
	if (!rj_cli_settings_has(key))
		return rj_fail(
			err, -EINVAL,
			"'%s' is no parameter, wanted bandwidth, "
			"downtime-limit, switchover-bandwidth, throttle, "
			"on-no-convergence, hold, timeout, stall-timeout, "
			"switchover-timeout, reply-timeout, channels or one "
			"of migrate-set-parameters",
			key);
	return put_any(object, key, value + 1, err);
}

/* What the monitor would refuse whatever it holds, by its own table. */
static int check(json_t *wanted, struct ramjet_error *err)
{
	struct ramjet_params params = { RAMJET_PARAMS_INIT };
	struct rj_cli_settings settings;

	/* Only the two together can be wrong. */
	params.throttle_initial_percent = 1;
	params.throttle_max_percent = 99;
	rj_cli_settings_init(&settings, &params);
	return rj_cli_settings_set(&settings, wanted, false, err);
}

static int read_words(const struct rj_cli_verb_line *line, json_t *wanted,
		      struct ramjet_error *err)
{
	int rc = 0;

	for (int i = 0; !rc && i < line->word_count; i++)
		rc = add(wanted, line->words[i], err);
	return rc ? rc : check(wanted, err);
}

int rj_cli_set(int argc, char **argv)
{
	struct ramjet_error error = { 0 };
	struct rj_cli_verb_line line;
	int status = rj_cli_verb_parse(&verb, argc, argv, &line);
	json_t *wanted;
	int rc;

	if (status >= 0)
		return status;
	wanted = json_object();
	if (read_words(&line, wanted, &error))
		status = rj_cli_verb_refuse(&verb, &error);
	else
		status = rj_cli_verb_connect(&verb, &line);
	if (status < 0) {
		rc = rj_qmp_caller_call(&line.caller, "migrate-set-parameters",
					json_incref(wanted), NULL, &error);
		status = rj_cli_verb_end(&verb, &line, rc, &error);
	}
	json_decref(wanted);
	return status;
}
