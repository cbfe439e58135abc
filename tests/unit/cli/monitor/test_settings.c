/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "cli/monitor/settings.h"

struct world {
	struct rj_cli_settings settings;
	struct ramjet_error error;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct ramjet_params params = { RAMJET_PARAMS_INIT };

	rj_cli_settings_init(&w->settings, &params);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static int set(struct world *w, const char *text, bool live)
{
	json_t *wanted = json_loads(text, 0, NULL);
	int rc;

	assert_non_null(wanted);
	w->error = (struct ramjet_error){ 0 };
	rc = rj_cli_settings_set(&w->settings, wanted, live, &w->error);
	json_decref(wanted);
	return rc;
}

static int enable(struct world *w, const char *name, bool state)
{
	json_t *wanted =
		json_pack("[{s:s, s:b}]", "capability", name, "state", state);
	int rc;

	w->error = (struct ramjet_error){ 0 };
	rc = rj_cli_capabilities_set(&w->settings, wanted, &w->error);
	json_decref(wanted);
	return rc;
}

static void assert_shows(const struct world *w, const char *name,
			 const char *value)
{
	json_t *object = rj_cli_settings_show(&w->settings);
	char *text = json_dumps(json_object_get(object, name), JSON_ENCODE_ANY);

	if (!text || strcmp(text, value) != 0)
		fail_msg("%s is %s, wanted %s", name, text ? text : "absent",
			 value);
	free(text);
	json_decref(object);
}

/* Refused, with `needle` in the message, and nothing changed. */
static void assert_refused(struct world *w, const char *text, bool live,
			   const char *needle)
{
	const struct rj_cli_settings before = w->settings;

	assert_true(set(w, text, live) < 0);
	if (!strstr(w->error.message, needle))
		fail_msg("%s: '%s', wanted '%s'", text, w->error.message,
			 needle);
	assert_memory_equal(&before, &w->settings, sizeof(before));
}

static void parameters_reach_ramjet_in_its_units(void **state)
{
	struct world *w = *state;
	const struct ramjet_params *params = &w->settings.params;

	assert_int_equal(set(w,
			     "{\"max-bandwidth\": 104857600, "
			     "\"downtime-limit\": 250, "
			     "\"avail-switchover-bandwidth\": 1000000, "
			     "\"cpu-throttle-initial\": 30, "
			     "\"cpu-throttle-increment\": 5, "
			     "\"max-cpu-throttle\": 80, "
			     "\"multifd-channels\": 4, "
			     "\"multifd-compression\": \"none\"}",
			     false),
			 0);
	assert_int_equal(params->bandwidth_bytes_per_s, 104857600);
	assert_int_equal(params->downtime_limit_us, 250000);
	assert_int_equal(params->switchover_bandwidth_bytes_per_s, 1000000);
	assert_int_equal(params->throttle_initial_percent, 30);
	assert_int_equal(params->throttle_step_percent, 5);
	assert_int_equal(params->throttle_max_percent, 80);
	assert_int_equal(params->channels, 4);
}

static void what_is_left_to_ramjet_is_minus_1(void **state)
{
	static const char name[] = "x-ramjet-switchover-timeout-ms";
	struct world *w = *state;
	const struct ramjet_params *params = &w->settings.params;

	assert_shows(w, name, "-1");
	assert_int_equal(
		set(w, "{\"x-ramjet-switchover-timeout-ms\": 0}", true), 0);
	assert_int_equal(params->switchover_timeout_us, 0);
	assert_shows(w, name, "0");
	assert_int_equal(
		set(w, "{\"x-ramjet-switchover-timeout-ms\": 7}", true), 0);
	assert_int_equal(params->switchover_timeout_us, 7000);
	assert_int_equal(
		set(w, "{\"x-ramjet-switchover-timeout-ms\": -1}", true), 0);
	assert_int_equal(params->switchover_timeout_us,
			 RAMJET_SWITCHOVER_TIMEOUT_AUTO);
	assert_shows(w, name, "-1");
	assert_refused(w, "{\"x-ramjet-switchover-timeout-ms\": -2}", true,
		       "in the range");
	assert_refused(w, "{\"x-ramjet-reply-timeout-ms\": -1}", true,
		       "in the range");
}

static void ramjets_own_have_their_prefix(void **state)
{
	struct world *w = *state;
	const struct ramjet_params *params = &w->settings.params;

	assert_int_equal(
		set(w,
		    "{\"x-ramjet-hold\": true, \"x-ramjet-verify\": true, "
		    "\"x-ramjet-on-no-convergence\": \"fail\", "
		    "\"x-ramjet-backend\": \"syscalls\", "
		    "\"x-ramjet-downtime-limit-us\": 1500, "
		    "\"x-ramjet-reconnect-ms\": 0, "
		    "\"x-ramjet-reply-timeout-ms\": 7}",
		    false),
		0);
	assert_true(params->hold && params->verify);
	assert_int_equal(params->on_no_convergence, RAMJET_NO_CONVERGENCE_FAIL);
	assert_int_equal(params->backend, RAMJET_BACKEND_SYSCALLS);
	assert_int_equal(params->downtime_limit_us, 1500);
	assert_int_equal(params->reply_timeout_ms, 7);
	assert_int_equal(params->reconnect_ms, 0);
	assert_shows(w, "x-ramjet-reconnect-ms", "0");
	assert_shows(w, "x-ramjet-on-no-convergence", "\"fail\"");
	assert_shows(w, "x-ramjet-backend", "\"syscalls\"");
}

static void what_was_set_is_shown(void **state)
{
	struct world *w = *state;

	assert_shows(w, "max-bandwidth", "0");
	assert_shows(w, "downtime-limit", "300");
	assert_shows(w, "cpu-throttle-initial", "20");
	assert_shows(w, "cpu-throttle-increment", "10");
	assert_shows(w, "max-cpu-throttle", "99");
	assert_shows(w, "multifd-compression", "\"x-ramjet-auto\"");
	assert_int_equal(set(w, "{\"x-ramjet-downtime-limit-us\": 500}", false),
			 0);
	assert_shows(w, "downtime-limit", "1");
	assert_shows(w, "x-ramjet-downtime-limit-us", "500");
	assert_int_equal(set(w, "{\"downtime-limit\": 2000000}", false), 0);
	assert_shows(w, "downtime-limit", "2000000");
	assert_shows(w, "x-ramjet-downtime-limit-us", "2000000000");
}

static void fewer_bytes_are_sent_by_parameters(void **state)
{
	struct world *w = *state;
	const struct ramjet_params *params = &w->settings.params;

	assert_shows(w, "multifd-compression", "\"x-ramjet-auto\"");
	assert_shows(w, "multifd-zstd-level", "1");
	assert_shows(w, "x-ramjet-compression-level-max", "3");
	assert_shows(w, "x-ramjet-delta-cache", "-1");
	assert_shows(w, "x-ramjet-hot-pages", "\"last\"");
	assert_int_equal(set(w,
			     "{\"multifd-compression\": \"zstd\", "
			     "\"multifd-zstd-level\": 20, "
			     "\"x-ramjet-compression-level-max\": -7, "
			     "\"x-ramjet-compression-cpu-percent\": 40, "
			     "\"x-ramjet-deltas\": \"off\", "
			     "\"x-ramjet-delta-cache\": 1048576, "
			     "\"x-ramjet-hot-pages\": \"in-turn\"}",
			     false),
			 0);
	assert_int_equal(params->compression, RAMJET_COMPRESSION_ZSTD);
	assert_int_equal(params->compression_level, 20);
	assert_int_equal(params->compression_level_max, -7);
	assert_int_equal(params->compression_cpu_percent, 40);
	assert_int_equal(params->deltas, RAMJET_DELTAS_OFF);
	assert_true(params->delta_cache_bytes == 1048576);
	assert_int_equal(params->hot_pages, RAMJET_HOT_PAGES_IN_TURN);
	assert_shows(w, "multifd-compression", "\"zstd\"");
	assert_shows(w, "x-ramjet-compression-level-max", "-7");
	assert_int_equal(set(w,
			     "{\"multifd-compression\": \"none\", "
			     "\"multifd-zstd-level\": 0, "
			     "\"x-ramjet-delta-cache\": -1}",
			     false),
			 0);
	assert_int_equal(params->compression, RAMJET_COMPRESSION_NONE);
	assert_true(params->delta_cache_bytes == RAMJET_DELTA_CACHE_AUTO);
	/* As it was given on the command line. */
	w->settings.params.compression_level = -3;
	assert_shows(w, "multifd-zstd-level", "-3");
}

static void levels_have_qemus_range_and_ours(void **state)
{
	struct world *w = *state;

	assert_refused(w, "{\"multifd-zstd-level\": 21}", false,
		       "in the range of 0 to 20");
	assert_refused(w, "{\"multifd-zstd-level\": -1}", false,
		       "in the range of 0 to 20");
	assert_refused(w, "{\"x-ramjet-compression-level-max\": -8}", false,
		       "in the range of -7 to 20");
	assert_refused(w, "{\"x-ramjet-compression-level-max\": 21}", false,
		       "in the range of -7 to 20");
	assert_refused(w, "{\"x-ramjet-delta-cache\": 0}", false,
		       "in the range of 1 to");
	assert_refused(w, "{\"multifd-compression\": \"zstd\"}", true,
		       "can't change while a migration is under way");
}

static void unknown_names_and_values_are_refused(void **state)
{
	struct world *w = *state;

	assert_refused(w, "{\"speed\": 1}", false,
		       "Parameter 'speed' is unexpected");
	assert_refused(w, "{\"multifd-compression\": \"zlib\"}", false,
		       "does not accept value 'zlib', wanted "
		       "x-ramjet-auto|none|zstd");
	assert_refused(w, "{\"multifd-compression\": \"\"}", false,
		       "does not accept value ''");
	assert_refused(w, "{\"max-bandwidth\": \"1G\"}", false,
		       "Invalid parameter type for 'max-bandwidth', expected: "
		       "integer");
	assert_refused(w, "{\"max-bandwidth\": -1}", false, "in the range of");
	assert_refused(w, "{\"downtime-limit\": 0}", false,
		       "in the range of 1 to 2000000");
	assert_refused(w, "{\"downtime-limit\": 2000001}", false,
		       "in the range of 1 to 2000000");
	assert_refused(w, "{\"multifd-channels\": 256}", false,
		       "in the range of 0 to 255");
	assert_refused(w, "{\"cpu-throttle-initial\": 100}", false,
		       "in the range of 1 to 99");
	assert_refused(w, "{\"max-cpu-throttle\": 19}", false,
		       "in the range of cpu-throttle-initial to 99");
}

static void all_are_set_or_none(void **state)
{
	assert_refused(*state, "{\"max-bandwidth\": 1, \"downtime-limit\": 0}",
		       false, "downtime-limit");
	assert_refused(*state, "{\"downtime-limit\": 5, \"nonsense\": 0}",
		       false, "nonsense");
}

static void under_way_only_some_may_change(void **state)
{
	struct world *w = *state;

	assert_refused(w, "{\"multifd-channels\": 2}", true,
		       "can't change while a migration is under way");
	assert_refused(w, "{\"x-ramjet-verify\": true}", true,
		       "can't change while");
	assert_int_equal(set(w,
			     "{\"max-bandwidth\": 5, \"downtime-limit\": 9, "
			     "\"x-ramjet-hold\": true}",
			     true),
			 0);
}

static void multifd_says_whether_channels_count(void **state)
{
	struct world *w = *state;

	/* As the command line has it: as many as ramjet likes. */
	assert_int_equal(w->settings.params.channels, 0);
	assert_int_equal(enable(w, "multifd", false), 0);
	assert_int_equal(w->settings.params.channels, 1);
	assert_int_equal(set(w, "{\"multifd-channels\": 6}", false), 0);
	assert_int_equal(w->settings.params.channels, 1);
	assert_int_equal(enable(w, "multifd", true), 0);
	assert_int_equal(w->settings.params.channels, 6);
}

static void capabilities_do_what_they_say(void **state)
{
	struct world *w = *state;

	assert_int_equal(enable(w, "auto-converge", true), 0);
	assert_true(w->settings.params.throttle);
	assert_int_equal(enable(w, "pause-before-switchover", true), 0);
	assert_true(w->settings.params.hold);
	assert_true(w->settings.events);
	assert_int_equal(enable(w, "events", false), 0);
	assert_false(w->settings.events);
	assert_int_equal(enable(w, "return-path", true), 0);
	assert_int_equal(w->settings.params.zero_copy, RAMJET_ZERO_COPY_AUTO);
	assert_int_equal(enable(w, "zero-copy-send", true), 0);
	assert_int_equal(w->settings.params.zero_copy, RAMJET_ZERO_COPY_ON);
	assert_int_equal(enable(w, "zero-copy-send", false), 0);
	assert_int_equal(w->settings.params.zero_copy, RAMJET_ZERO_COPY_OFF);
	assert_shows(w, "x-ramjet-zero-copy", "\"off\"");
}

static void capabilities_that_cannot_be_are_refused(void **state)
{
	struct world *w = *state;

	assert_true(enable(w, "xbzrle", true) < 0);
	assert_non_null(strstr(w->error.message, "'xbzrle' is not offered"));
	assert_non_null(strstr(w->error.message, "can only be false"));
	assert_true(enable(w, "nonsense", false) < 0);
	assert_string_equal(w->error.message,
			    "Parameter 'capability' does not accept value "
			    "'nonsense'");
}

/* As managers do that put everything back before they begin. */
static void all_capabilities_may_be_false(void **state)
{
	struct world *w = *state;
	static const char *const names[] = {
		"xbzrle",      "auto-converge",  "postcopy-ram",  "events",
		"return-path", "multifd",        "dirty-bitmaps", "mapped-ram",
		"compress",    "zero-copy-send",
	};

	for (size_t i = 0; i < RJ_ARRAY_SIZE(names); i++)
		assert_int_equal(enable(w, names[i], false), 0);
	assert_false(w->settings.params.throttle);
	assert_int_equal(w->settings.params.channels, 1);
}

static void what_changes_nothing_is_lawful_at_any_time(void **state)
{
	struct world *w = *state;
	json_t *shown = rj_cli_settings_show(&w->settings);
	json_t *able = rj_cli_capabilities_show(&w->settings);

	assert_int_equal(
		rj_cli_settings_set(&w->settings, shown, true, &w->error), 0);
	assert_refused(w, "{\"multifd-channels\": 200}", true,
		       "can't change while a migration is under way");
	assert_true(rj_cli_capabilities_same(&w->settings, able));
	(void)json_object_set_new(json_array_get(able, 1), "state",
				  json_true());
	assert_false(rj_cli_capabilities_same(&w->settings, able));
	json_decref(shown);
	json_decref(able);
}

static void capabilities_are_set_all_or_none(void **state)
{
	struct world *w = *state;
	json_t *wanted = json_pack("[{s:s, s:b}, {s:s, s:b}]", "capability",
				   "auto-converge", "state", true, "capability",
				   "nonsense", "state", true);

	assert_true(rj_cli_capabilities_set(&w->settings, wanted, &w->error) <
		    0);
	assert_false(w->settings.params.throttle);
	json_decref(wanted);
}

static void capabilities_are_shown_as_they_are_set(void **state)
{
	struct world *w = *state;
	json_t *shown;

	assert_int_equal(enable(w, "auto-converge", true), 0);
	shown = rj_cli_capabilities_show(&w->settings);
	assert_int_equal(json_array_size(shown), 6);
	assert_int_equal(
		rj_cli_capabilities_set(&w->settings, shown, &w->error), 0);
	json_decref(shown);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(parameters_reach_ramjet_in_its_units),
		TEST(what_is_left_to_ramjet_is_minus_1),
		TEST(ramjets_own_have_their_prefix),
		TEST(what_was_set_is_shown),
		TEST(fewer_bytes_are_sent_by_parameters),
		TEST(levels_have_qemus_range_and_ours),
		TEST(unknown_names_and_values_are_refused),
		TEST(all_are_set_or_none),
		TEST(under_way_only_some_may_change),
		TEST(multifd_says_whether_channels_count),
		TEST(capabilities_do_what_they_say),
		TEST(capabilities_that_cannot_be_are_refused),
		TEST(all_capabilities_may_be_false),
		TEST(what_changes_nothing_is_lawful_at_any_time),
		TEST(capabilities_are_set_all_or_none),
		TEST(capabilities_are_shown_as_they_are_set),
	};

	return cmocka_run_group_tests_name("monitor_settings", tests, NULL,
					   NULL);
}
