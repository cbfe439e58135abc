/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/qmp/splitter.h"
#include "util/compiler.h"

#define STORY_BYTES 1024

/* What came out: values between < and >, "!" for a broken one, "#" for too
 * long. */
struct story {
	struct rj_qmp_splitter *splitter;
	char text[STORY_BYTES];
	size_t used;
};

static int set_up(void **state)
{
	struct story *s = calloc(1, sizeof(*s));

	s->splitter = malloc(sizeof(*s->splitter));
	rj_qmp_splitter_init(s->splitter);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct story *s = *state;

	free(s->splitter);
	free(s);
	return 0;
}

static void restart(struct story *s)
{
	rj_qmp_splitter_init(s->splitter);
	s->used = 0;
	s->text[0] = '\0';
}

static void tell(struct story *s, enum rj_qmp_piece piece)
{
	size_t room = sizeof(s->text) - s->used;
	char *at = s->text + s->used;
	int length = 0;

	if (piece == RJ_QMP_VALUE)
		length = snprintf(at, room, "<%.*s>", (int)s->splitter->used,
				  s->splitter->text);
	else if (piece != RJ_QMP_MORE)
		length = snprintf(at, room, "%s",
				  piece == RJ_QMP_BROKEN ? "!" : "#");
	s->used += (size_t)length;
	assert_true(s->used < sizeof(s->text));
}

static void feed(struct story *s, const char *bytes, size_t count)
{
	size_t at = 0, taken;

	do {
		tell(s, rj_qmp_splitter_take(s->splitter, bytes + at,
					     count - at, &taken));
		at += taken;
	} while (at < count);
}

/* clang-format off */
static const struct {
	const char *stream;
	const char *values;
} rows[] = {
	{ "", "" },
	{ " \r\n\t ", "" },
	{ "{}", "<{}>" },
	{ "{\"execute\": \"stop\"}\r\n", "<{\"execute\": \"stop\"}>" },
	{ "{}{}", "<{}><{}>" },
	{ "{} [] {}", "<{}><[]><{}>" },
	{ "{\"a\":{\"b\":[1,{}]}}{\"c\":2}",
	  "<{\"a\":{\"b\":[1,{}]}}><{\"c\":2}>" },
	{ "{\"a\"\n:\n1}", "<{\"a\"\n:\n1}>" },
	/* brackets and quotes inside strings */
	{ "{\"a\":\"}{][\"}{}", "<{\"a\":\"}{][\"}><{}>" },
	{ "{\"a\":\"\\\"}\"}{}", "<{\"a\":\"\\\"}\"}><{}>" },
	{ "{\"a\":\"\\\\\"}{}", "<{\"a\":\"\\\\\"}><{}>" },
	{ "{\"a\":\"\\\\\\\"}\"}{}", "<{\"a\":\"\\\\\\\"}\"}><{}>" },
	{ "{\"\xc3\xa4\":\"\xe2\x82\xac\"}", "<{\"\xc3\xa4\":\"\xe2\x82\xac\"}>" },
	/* the kind of a bracket is the parser's business */
	{ "{]", "<{]>" },
	{ "[}{}", "<[}><{}>" },
	/* what is neither object nor array is one value a line */
	{ "hello\n", "<hello>" },
	{ "1 2 3\r\n{}", "<1 2 3\r><{}>" },
	{ "}\n{}", "<}><{}>" },
	/* a lone quote begins a line; the object after it holds a string that
	 * never ends */
	{ "\"{\"\n", "<\">!" },
	{ "garbage{}", "<garbage><{}>" },
	{ "GET / HTTP/1.1\r\n\r\n", "<GET / HTTP/1.1\r>" },
	/* bytes that can't be */
	{ "\x01{}", "!<{}>" },
	{ "{\"a\":\x01{}", "!<{}>" },
	{ "{\"a\xff{}", "!<{}>" },
	{ "{\"a\n{}", "!<{}>" },
	{ "{\"a\\\n{}", "!<{}>" },
	{ "\xff\xff{}", "!<{}>" },
	{ "\x01 more\xff}\"\n{}", "!<{}>" },
	{ "{\"a\x02\"}\n[]", "!<[]>" },
	{ "word\x02{}", "!<{}>" },
};
/* clang-format on */

static void values_are_the_same_wherever_the_stream_is_cut(void **state)
{
	struct story *s = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++) {
		size_t count = strlen(rows[i].stream);

		for (size_t cut = 0; cut <= count; cut++) {
			restart(s);
			feed(s, rows[i].stream, cut);
			feed(s, rows[i].stream + cut, count - cut);
			assert_string_equal(s->text, rows[i].values);
		}
	}
}

static void values_are_the_same_byte_by_byte(void **state)
{
	struct story *s = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++) {
		restart(s);
		for (const char *p = rows[i].stream; *p; p++)
			feed(s, p, 1);
		assert_string_equal(s->text, rows[i].values);
	}
}

static void a_nul_byte_is_refused(void **state)
{
	struct story *s = *state;

	feed(s, "{\"a\0\":1}\n{}", 11);
	assert_string_equal(s->text, "!<{}>");
}

/* An object of exactly `bytes`. */
static char *object_of(size_t bytes)
{
	char *text = malloc(bytes);

	memset(text, ' ', bytes);
	text[0] = '{';
	text[bytes - 1] = '}';
	return text;
}

static void the_longest_value_passes(void **state)
{
	struct story *s = *state;
	char *text = object_of(RJ_QMP_VALUE_BYTES_MAX);
	size_t taken;

	assert_int_equal(rj_qmp_splitter_take(s->splitter, text,
					      RJ_QMP_VALUE_BYTES_MAX, &taken),
			 RJ_QMP_VALUE);
	assert_int_equal(taken, RJ_QMP_VALUE_BYTES_MAX);
	assert_memory_equal(s->splitter->text, text, taken);
	free(text);
}

static void one_byte_more_is_too_long(void **state)
{
	struct story *s = *state;
	char *text = object_of(RJ_QMP_VALUE_BYTES_MAX + 1);

	feed(s, text, RJ_QMP_VALUE_BYTES_MAX);
	assert_string_equal(s->text, "");
	feed(s, text + RJ_QMP_VALUE_BYTES_MAX, 1);
	assert_string_equal(s->text, "#");
	free(text);
}

static void a_line_without_end_is_too_long(void **state)
{
	struct story *s = *state;
	char *text = malloc(RJ_QMP_VALUE_BYTES_MAX + 1);

	memset(text, 'x', RJ_QMP_VALUE_BYTES_MAX + 1);
	feed(s, text, RJ_QMP_VALUE_BYTES_MAX + 1);
	assert_string_equal(s->text, "#");
	free(text);
}

static void blanks_between_values_cost_nothing(void **state)
{
	struct story *s = *state;
	char *text = malloc(4 * RJ_QMP_VALUE_BYTES_MAX);

	memset(text, '\n', 4 * RJ_QMP_VALUE_BYTES_MAX);
	feed(s, text, 4 * RJ_QMP_VALUE_BYTES_MAX);
	feed(s, "{}", 2);
	assert_string_equal(s->text, "<{}>");
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(values_are_the_same_wherever_the_stream_is_cut),
		TEST(values_are_the_same_byte_by_byte),
		TEST(a_nul_byte_is_refused),
		TEST(the_longest_value_passes),
		TEST(one_byte_more_is_too_long),
		TEST(a_line_without_end_is_too_long),
		TEST(blanks_between_values_cost_nothing),
	};

	return cmocka_run_group_tests_name("qmp_splitter", tests, NULL, NULL);
}
