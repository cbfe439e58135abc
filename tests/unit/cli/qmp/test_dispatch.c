/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/qmp/dispatch.h"
#include "cli/qmp/message.h"
#include "util/compiler.h"
#include "util/error.h"

struct world {
	struct rj_qmp_peer peer;
	unsigned calls;
	char text[64]; /* the argument of the newest call */
};

static int echo(struct rj_qmp_call *call, struct ramjet_error *err)
{
	struct world *w = call->user;
	const json_t *text = json_object_get(call->arguments, "text");

	(void)err;
	w->calls++;
	(void)snprintf(w->text, sizeof(w->text), "%s", json_string_value(text));
	call->result = json_pack("{s:O}", "text", text);
	return 0;
}

static int nothing(struct rj_qmp_call *call, struct ramjet_error *err)
{
	struct world *w = call->user;

	(void)err;
	w->calls++;
	return 0;
}

static int fail_with(struct rj_qmp_call *call, struct ramjet_error *err)
{
	(void)call;
	return rj_fail(err, -EIO, "it broke \xff here");
}

static const struct rj_qmp_argument echo_arguments[] = {
	{ "text", RJ_QMP_TEXT, false },
	{ "count", RJ_QMP_WHOLE, true },
	{ "loud", RJ_QMP_BOOL, true },
	{ "list", RJ_QMP_ARRAY, true },
	{ 0 },
};

static const struct rj_qmp_command rows[] = {
	{ "echo", echo, echo_arguments, false },
	{ "nothing", nothing, NULL, false },
	{ "fail", fail_with, NULL, false },
	{ "anything", nothing, NULL, true },
	{ 0 },
};

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct world));
	return 0;
}

static int set_up_negotiated(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->peer.negotiated = true;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

/* The reply to `request` must be `wanted`, both JSON. */
static void assert_reply(struct world *w, const char *request,
			 const char *wanted)
{
	const struct rj_qmp_commands commands = { .rows = rows, .user = w };
	json_t *reply =
		rj_qmp_dispatch(&commands, &w->peer, request, strlen(request));
	json_t *same = json_loads(wanted, JSON_DECODE_ANY, NULL);
	char *text = json_dumps(reply, 0);

	assert_non_null(same);
	if (!json_equal(reply, same))
		fail_msg("%s\n  is answered %s\n  wanted %s", request, text,
			 wanted);
	free(text);
	json_decref(same);
	json_decref(reply);
}

static void assert_refused(struct world *w, const char *request,
			   const char *class_name, const char *text)
{
	char wanted[512];

	(void)snprintf(wanted, sizeof(wanted),
		       "{\"error\": {\"class\": \"%s\", \"desc\": \"%s\"}}",
		       class_name, text);
	assert_reply(w, request, wanted);
}

static void before_negotiation_only_that_is_possible(void **state)
{
	struct world *w = *state;

	assert_refused(w, "{\"execute\": \"nothing\"}", "CommandNotFound",
		       "Expecting capabilities negotiation with "
		       "'qmp_capabilities'");
	assert_int_equal(w->calls, 0);
	assert_reply(w, "{\"execute\": \"qmp_capabilities\"}",
		     "{\"return\": {}}");
	assert_reply(w, "{\"execute\": \"nothing\"}", "{\"return\": {}}");
	assert_int_equal(w->calls, 1);
}

static void negotiation_happens_once(void **state)
{
	struct world *w = *state;

	assert_refused(w, "{\"execute\": \"qmp_capabilities\"}",
		       "CommandNotFound",
		       "Capabilities negotiation is already complete, command "
		       "ignored");
}

static void capabilities_not_offered_are_refused(void **state)
{
	struct world *w = *state;

	assert_refused(w,
		       "{\"execute\": \"qmp_capabilities\", \"arguments\": "
		       "{\"enable\": [\"oob\"]}}",
		       "GenericError", "QMP capability 'oob' is not available");
	assert_false(w->peer.negotiated);
	assert_reply(w,
		     "{\"execute\": \"qmp_capabilities\", \"arguments\": "
		     "{\"enable\": []}}",
		     "{\"return\": {}}");
}

static void ids_of_every_kind_come_back(void **state)
{
	static const char *const ids[] = { "1",   "-7",   "\"x\"",
					   "1.5", "true", "null",
					   "[1]", "{}",   "{\"a\": [{}]}" };
	char request[128], wanted[128];

	for (size_t i = 0; i < RJ_ARRAY_SIZE(ids); i++) {
		(void)snprintf(request, sizeof(request),
			       "{\"execute\": \"nothing\", \"id\": %s}",
			       ids[i]);
		(void)snprintf(wanted, sizeof(wanted),
			       "{\"return\": {}, \"id\": %s}", ids[i]);
		assert_reply(*state, request, wanted);
	}
}

static void errors_carry_the_id_too(void **state)
{
	assert_reply(*state, "{\"id\": 4, \"execute\": \"none\"}",
		     "{\"id\": 4, \"error\": {\"class\": \"CommandNotFound\", "
		     "\"desc\": \"The command none has not been found\"}}");
	assert_reply(*state, "{\"id\": 5, \"execute\": 3}",
		     "{\"id\": 5, \"error\": {\"class\": \"GenericError\", "
		     "\"desc\": \"QMP input member 'execute' must be a "
		     "string\"}}");
}

static void results_and_arguments_pass(void **state)
{
	struct world *w = *state;

	assert_reply(w,
		     "{\"execute\": \"echo\", \"arguments\": {\"text\": "
		     "\"\\u00e4\\\"\", \"count\": 3, \"loud\": true, "
		     "\"list\": []}}",
		     "{\"return\": {\"text\": \"\\u00e4\\\"\"}}");
	assert_string_equal(w->text, "\xc3\xa4\"");
}

static void wrong_requests_are_named(void **state)
{
	/* clang-format off */
	static const char *const wrong[][2] = {
		{ "[]", "QMP input must be a JSON object" },
		{ "7", "QMP input must be a JSON object" },
		{ "{}", "QMP input lacks member 'execute'" },
		{ "{\"exec-oob\": \"nothing\"}",
		  "QMP input member 'exec-oob' is unexpected" },
		{ "{\"execute\": \"nothing\", \"arguments\": []}",
		  "QMP input member 'arguments' must be an object" },
		{ "{\"execute\": \"nothing\", \"arguments\": {\"a\": 1}}",
		  "Parameter 'a' is unexpected" },
		{ "{\"execute\": \"echo\"}", "Parameter 'text' is missing" },
		{ "{\"execute\": \"echo\", \"arguments\": {\"text\": 1}}",
		  "Invalid parameter type for 'text', expected: string" },
		{ "{\"execute\": \"echo\", \"arguments\": {\"text\": \"\", "
		  "\"count\": 1.5}}",
		  "Invalid parameter type for 'count', expected: integer" },
		{ "{\"execute\": \"echo\", \"arguments\": {\"text\": \"\", "
		  "\"loud\": 1}}",
		  "Invalid parameter type for 'loud', expected: boolean" },
		{ "{\"execute\": \"echo\", \"arguments\": {\"text\": \"\", "
		  "\"list\": {}}}",
		  "Invalid parameter type for 'list', expected: array" },
	};
	/* clang-format on */
	struct world *w = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(wrong); i++)
		assert_refused(w, wrong[i][0], "GenericError", wrong[i][1]);
	assert_int_equal(w->calls, 0);
}

static void bad_json_is_an_error(void **state)
{
	static const char *const bad[] = {
		"{", "}",    "{\"execute\": }", "{'execute': 'nothing'}", "{]",
		"",  "nope", "\"\\ud800\"",     "{\"a\":1,\"a\":2}"
	};
	struct world *w = *state;
	const struct rj_qmp_commands commands = { .rows = rows, .user = w };

	for (size_t i = 0; i < RJ_ARRAY_SIZE(bad); i++) {
		json_t *reply = rj_qmp_dispatch(&commands, &w->peer, bad[i],
						strlen(bad[i]));
		json_t *error = json_object_get(reply, "error");
		const char *text =
			json_string_value(json_object_get(error, "desc"));

		assert_non_null(text);
		if (strncmp(text, "JSON parse error, ", 18))
			fail_msg("%s: %s", bad[i], text);
		json_decref(reply);
	}
	assert_int_equal(w->calls, 0);
}

static void deep_nesting_is_an_error(void **state)
{
	struct world *w = *state;
	const struct rj_qmp_commands commands = { .rows = rows, .user = w };
	char deep[60000];
	json_t *reply;

	memset(deep, '[', sizeof(deep));
	reply = rj_qmp_dispatch(&commands, &w->peer, deep, sizeof(deep));
	assert_non_null(json_object_get(reply, "error"));
	json_decref(reply);
}

static void text_that_is_no_utf8_is_still_told(void **state)
{
	assert_refused(*state, "{\"execute\": \"fail\"}", "GenericError",
		       "it broke \\\\xff here");
}

static void some_commands_check_for_themselves(void **state)
{
	assert_reply(*state,
		     "{\"execute\": \"anything\", \"arguments\": {\"a\": 1}}",
		     "{\"return\": {}}");
}

static void the_greeting_has_qemus_form(void **state)
{
	json_t *greeting = rj_qmp_greeting();
	int major, minor, micro;
	const char *package;
	json_t *capabilities;

	(void)state;
	assert_int_equal(
		json_unpack(greeting, "{s:{s:{s:{s:i, s:i, s:i}, s:s}, s:o}}",
			    "QMP", "version", "qemu", "major", &major, "minor",
			    &minor, "micro", &micro, "package", &package,
			    "capabilities", &capabilities),
		0);
	assert_true(json_is_array(capabilities));
	assert_non_null(strstr(package, "ramjet"));
	json_decref(greeting);
}

static void lines_are_ascii_and_end_as_the_specification_says(void **state)
{
	char *line = rj_qmp_line(rj_qmp_event(
		"E", json_pack("{s:s}", "a", "\xc3\xa4"), 1234567890123456));

	(void)state;
	assert_string_equal(line, "{\"timestamp\": {\"seconds\": 1234567890, "
				  "\"microseconds\": 123456}, \"event\": "
				  "\"E\", \"data\": {\"a\": \"\\u00E4\"}}\r\n");
	free(line);
}

#define FRESH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, set_up_negotiated, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(before_negotiation_only_that_is_possible),
		TEST(negotiation_happens_once),
		FRESH(capabilities_not_offered_are_refused),
		TEST(ids_of_every_kind_come_back),
		TEST(errors_carry_the_id_too),
		TEST(results_and_arguments_pass),
		TEST(wrong_requests_are_named),
		TEST(bad_json_is_an_error),
		TEST(deep_nesting_is_an_error),
		TEST(text_that_is_no_utf8_is_still_told),
		TEST(some_commands_check_for_themselves),
		TEST(the_greeting_has_qemus_form),
		TEST(lines_are_ascii_and_end_as_the_specification_says),
	};

	return cmocka_run_group_tests_name("qmp_dispatch", tests, NULL, NULL);
}
