/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>

#include "cli/base/json_text.h"
#include "cli/report/json.h"
#include "util/compiler.h"

static void a_helper_left_alone_is_not_one_with_an_empty_state(void **state)
{
	struct ramjet_helper_info helpers[] = {
		{ .size = sizeof(struct ramjet_helper_info),
		  .id = "empty",
		  .takes_part = true,
		  .loaded = true },
		{ .size = sizeof(struct ramjet_helper_info),
		  .id = "new",
		  .takes_part = false },
	};
	const struct ramjet_info info = { .helpers = helpers,
					  .helper_count = 2 };
	const struct rj_cli_command_line line = { .command = RJ_CLI_RECV };
	const struct rj_cli_report report = { .line = &line, .info = &info };
	json_t *object = rj_cli_report_build(&report);
	int alone[2] = { -1, -1 };

	(void)state;
	assert_int_equal(json_unpack(object, "{s:[{s:b}, {s:b}]}", "helpers",
				     "left_alone", &alone[0], "left_alone",
				     &alone[1]),
			 0);
	assert_false(alone[0]);
	assert_true(alone[1]);
	json_decref(object);
}

/* Paths and reasons are bytes; a key that is missing says something else. */
static void text_that_is_no_utf8_drops_no_key(void **state)
{
	struct ramjet_helper_info helpers[] = {
		{ .size = sizeof(struct ramjet_helper_info), .id = "h\xff" }
	};
	struct ramjet_fast_path_info paths[] = {
		{ .size = sizeof(struct ramjet_fast_path_info),
		  .name = "uring",
		  .chosen = "no",
		  .reason = "\xc0\xaf" }
	};
	const struct ramjet_info info = { .helpers = helpers,
					  .helper_count = 1,
					  .fast_paths = paths,
					  .fast_path_count = 1 };
	const struct rj_cli_command_line line = {
		.command = RJ_CLI_SEND,
		.has_guest = true,
		.guest.text = "file:\xe9t\xc3\xa9\xed\xa0\x80",
	};
	const struct ramjet_error error = { .code = -5,
					    .message = "a\xf5\x80\x80\x80" };
	const struct rj_cli_report report = { .line = &line,
					      .info = &info,
					      .error = &error,
					      .uri = "unix:/\xff" };
	json_t *object = rj_cli_report_build(&report);
	const char *texts[5];

	(void)state;
	assert_int_equal(
		json_unpack(object, "{s:s, s:s, s:s, s:[{s:s}], s:[{s:s}]}",
			    "guest", &texts[0], "error", &texts[1], "uri",
			    &texts[2], "helpers", "id", &texts[3], "fast_paths",
			    "reason", &texts[4]),
		0);
	assert_string_equal(texts[0], "file:\\xe9t\xc3\xa9\\xed\\xa0\\x80");
	assert_string_equal(texts[1], "a\\xf5\\x80\\x80\\x80");
	assert_string_equal(texts[2], "unix:/\\xff");
	assert_string_equal(texts[3], "h\\xff");
	assert_string_equal(texts[4], "\\xc0\\xaf");
	json_decref(object);
}

static bool is_null(const json_t *object, const char *name)
{
	return json_is_null(json_object_get(object, name));
}

static void what_nobody_knows_is_null(void **state)
{
	const struct ramjet_channel_info channels[] = {
		{ .size = sizeof(struct ramjet_channel_info), .state = "open" }
	};
	struct ramjet_info info = { .outgoing = true,
				    .state = RAMJET_STATE_ACTIVE,
				    .channels = channels,
				    .channel_count = 1,
				    .convergence_us = UINT64_MAX };
	const struct rj_cli_command_line line = { .command = RJ_CLI_SEND };
	const struct rj_cli_report report = { .line = &line, .info = &info };
	json_t *object = rj_cli_report_build(&report);

	(void)state;
	assert_true(is_null(object, "downtime_ms"));
	assert_true(is_null(object, "throughput_bytes_per_s"));
	assert_true(is_null(object, "current_bytes_per_s"));
	assert_true(is_null(object, "dirty_pages_per_s"));
	assert_true(is_null(object, "convergence_ms"));
	assert_true(is_null(json_object_get(object, "capacity_bytes_per_s"),
			    "mean"));
	assert_true(is_null(json_object_get(object, "downtime_predicted_ms"),
			    "p90"));
	assert_true(is_null(json_object_get(object, "ram"), "remaining_bytes"));
	assert_true(
		is_null(json_array_get(json_object_get(object, "channels"), 0),
			"rtt_us"));
	assert_int_equal(json_array_size(json_object_get(object, "known")), 0);
	json_decref(object);
	info.known = UINT64_MAX;
	object = rj_cli_report_build(&report);
	assert_false(is_null(object, "downtime_ms"));
	assert_false(is_null(object, "dirty_pages_per_s"));
	/* Never, which is known. */
	assert_true(is_null(object, "convergence_ms"));
	assert_int_equal(json_array_size(json_object_get(object, "known")), 10);
	json_decref(object);
}

/* As the monitor gives it: nothing has been exited. */
static void a_report_asked_for_has_the_outcomes_own_status(void **state)
{
	static const struct {
		enum ramjet_state state;
		const char *name;
		int exit_status; /* -1: null */
	} rows[] = {
		{ RAMJET_STATE_NONE, "setup", -1 },
		{ RAMJET_STATE_ACTIVE, "active", -1 },
		{ RAMJET_STATE_COMPLETED, "completed", 0 },
		{ RAMJET_STATE_FAILED, "failed", 1 },
		{ RAMJET_STATE_CANCELLED, "cancelled", 1 },
		{ RAMJET_STATE_UNCONFIRMED, "unconfirmed", 3 },
	};
	const struct rj_cli_command_line line = { .command = RJ_CLI_SEND };
	struct rj_cli_report report = { .line = &line, .asked = true };
	json_t *object = rj_cli_report_build(&report);

	(void)state;
	assert_true(is_null(object, "exit_status"));
	assert_string_equal(
		json_string_value(json_object_get(object, "status")), "none");
	json_decref(object);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++) {
		const struct ramjet_info info = { .state = rows[i].state };
		const json_t *status;

		report.info = &info;
		object = rj_cli_report_build(&report);
		status = json_object_get(object, "exit_status");
		assert_string_equal(
			json_string_value(json_object_get(object, "status")),
			rows[i].name);
		assert_int_equal(json_is_integer(status)
					 ? json_integer_value(status)
					 : -1,
				 rows[i].exit_status);
		json_decref(object);
	}
}

static void what_is_written_has_no_controls(void **state)
{
	json_t *value =
		json_pack("{s:s}", "a", "\x1b[2J\xc2\x9b\x7f\xc3\xa9\n");
	char *text = rj_json_dump(value, 0);

	(void)state;
	assert_string_equal(text,
			    "{\"a\": \"\\u001B[2J\\u009B\\u007F\\u00E9\\n\"}");
	free(text);
	json_decref(value);
}

static void foreign_numbers_are_bounded(void **state)
{
	static const double odd[] = { -1, 0, 1.5, 1e300 };
	static const uint64_t wanted[] = { 0, 0, 1500, UINT64_C(1) << 62 };

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(odd); i++) {
		json_t *number = json_real(odd[i]);

		assert_int_equal(rj_json_scaled(number, 1000), wanted[i]);
		json_decref(number);
	}
	assert_int_equal(rj_json_scaled(NULL, 1000), 0);
}

static const struct ramjet_level levels[] = {
	{ .size = sizeof(levels[0]), .since_us = 1500, .level = -5 },
	{ .size = sizeof(levels[0]),
	  .since_us = 2500,
	  .level = RAMJET_LEVEL_OFF,
	  .channel = 1 },
};
static const struct ramjet_savings saved = {
	.size = sizeof(saved),
	.full_bytes = 10u << 20,
	.payload_bytes = 4u << 20,
	.word_pages = 3,
	.zstd_in_bytes = 6000000,
	.zstd_out_bytes = 2500000,
	.zstd_refused_pages = 7,
	.zstd_cpu_us = 2500000,
	.delta_pages = 10,
	.delta_bytes = 960,
	.cache_hits = 11,
	.hot_skipped_pages = 12,
	.levels = levels,
	.level_count = 2,
	.levels_total = 9,
};

static json_t *report_of(const struct ramjet_savings *savings)
{
	const struct rj_cli_command_line line = { .command = RJ_CLI_SEND };
	const struct rj_cli_report report = { .line = &line,
					      .savings = savings };

	return rj_cli_report_build(&report);
}

/* In every outcome, as when nothing has begun. */
static void what_was_saved_is_always_there(void **state)
{
	json_t *object = report_of(NULL);
	const json_t *compression = json_object_get(object, "compression");

	(void)state;
	assert_true(is_null(compression, "level"));
	assert_true(is_null(compression, "ratio"));
	assert_int_equal(
		json_array_size(json_object_get(compression, "levels")), 0);
	assert_int_equal(
		json_integer_value(json_object_get(
			json_object_get(object, "ram"), "saved_bytes")),
		0);
	json_decref(object);
}

static void each_means_has_its_figures(void **state)
{
	json_t *object = report_of(&saved);
	json_int_t whole[8];
	double real[2];

	(void)state;
	assert_int_equal(
		json_unpack(object,
			    "{s:{s:I, s:I}, s:{s:f, s:f, s:I, s:I, s:I},"
			    " s:{s:I, s:I}, s:{s:I}}",
			    "ram", "word_pages", &whole[0], "saved_bytes",
			    &whole[1], "compression", "ratio", &real[0],
			    "cpu_s", &real[1], "bytes_saved", &whole[2],
			    "refused_pages", &whole[3], "levels_total",
			    &whole[4], "deltas", "bytes_saved", &whole[5],
			    "cache_hits", &whole[6], "hot_pages", "skipped",
			    &whole[7]),
		0);
	assert_int_equal(whole[0], 3);
	assert_int_equal(whole[1], 6u << 20);
	assert_int_equal(whole[2], 3500000);
	assert_int_equal(whole[3], 7);
	assert_int_equal(whole[4], 9);
	assert_int_equal(whole[5], 40000);
	assert_int_equal(whole[6], 11);
	assert_int_equal(whole[7], 12);
	assert_true(real[0] > 2.39 && real[0] < 2.41);
	assert_true(real[1] > 2.49 && real[1] < 2.51);
	json_decref(object);
}

static void levels_are_told_over_time(void **state)
{
	json_t *object = report_of(&saved);
	const json_t *compression = json_object_get(object, "compression");
	const json_t *each = json_object_get(compression, "levels");
	int channel = -1, level = 0;
	double ms = 0;

	(void)state;
	/* The latest is none. */
	assert_true(is_null(compression, "level"));
	assert_int_equal(json_array_size(each), 2);
	assert_int_equal(json_unpack(json_array_get(each, 0), "{s:f, s:i, s:i}",
				     "ms", &ms, "channel", &channel, "level",
				     &level),
			 0);
	assert_int_equal(channel, 0);
	assert_int_equal(level, -5);
	assert_true(ms > 1.49 && ms < 1.51);
	assert_true(is_null(json_array_get(each, 1), "level"));
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_helper_left_alone_is_not_one_with_an_empty_state),
		cmocka_unit_test(text_that_is_no_utf8_drops_no_key),
		cmocka_unit_test(what_nobody_knows_is_null),
		cmocka_unit_test(
			a_report_asked_for_has_the_outcomes_own_status),
		cmocka_unit_test(what_is_written_has_no_controls),
		cmocka_unit_test(foreign_numbers_are_bounded),
		cmocka_unit_test(what_was_saved_is_always_there),
		cmocka_unit_test(each_means_has_its_figures),
		cmocka_unit_test(levels_are_told_over_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
