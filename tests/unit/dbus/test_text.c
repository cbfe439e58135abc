/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "dbus/text.h"
#include "util/compiler.h"

static void utf8_is_told_from_other_bytes(void **state)
{
	static const char *const good[] = { "",
					    "a",
					    "\xc3\xa9",
					    "\xed\x9f\xbf",
					    "\xee\x80\x80",
					    "\xf4\x8f\xbf\xbf",
					    "\xe2\x82\xac and more" };
	static const char *const bad[] = { "\x80",
					   "\xc3",
					   "\xc0\x80",
					   "\xc1\xbf",
					   "\xe0\x9f\xbf",
					   "\xed\xa0\x80",
					   "\xf0\x8f\xbf\xbf",
					   "\xf4\x90\x80\x80",
					   "\xf8\x88\x80\x80\x80",
					   "\xff",
					   "a\xc3(",
					   "\xe2\x82" };

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(good); i++)
		assert_true(rj_text_is_utf8(good[i], strlen(good[i])));
	for (size_t i = 0; i < RJ_ARRAY_SIZE(bad); i++)
		assert_false(rj_text_is_utf8(bad[i], strlen(bad[i])));
	assert_false(rj_text_is_utf8("a\0b", 3));
}

static void controls_and_quotes_are_escaped(void **state)
{
	struct rj_text text;

	(void)state;
	assert_string_equal(rj_text_printable(&text, "a b\xc3\xa9"),
			    "a b\xc3\xa9");
	assert_string_equal(rj_text_printable(&text, "\x1b[2J\n\x7f"),
			    "\\x1b[2J\\x0a\\x7f");
	assert_string_equal(rj_text_printable(&text, "it's \\x"),
			    "it\\x27s \\x");
	assert_string_equal(rj_text_printable(&text, "\xc2\x9b\xc2\xa0"),
			    "\\xc2\\x9b\xc2\xa0");
	assert_string_equal(rj_text_printable(&text, "\xff\xc3"), "\\xff\\xc3");
}

static void long_text_is_cut_between_characters(void **state)
{
	char in[2001], out[16];
	size_t length;

	(void)state;
	for (size_t room = 8; room <= sizeof(out); room++) {
		memset(in, 'x', sizeof(in) - 1);
		in[sizeof(in) - 1] = '\0';
		length = rj_text_print(out, room, in);
		assert_int_equal(length, strlen(out));
		assert_true(length < room);
		assert_string_equal(out + strlen(out) - 3, "...");
		for (size_t i = 0; i + 2 < sizeof(in); i += 2)
			memcpy(in + i, "\xc3\xa9", 2);
		assert_true(rj_text_print(out, room, in) < room);
		assert_true(rj_text_is_utf8(out, strlen(out)));
	}
	assert_int_equal(rj_text_print(out, 8, "1234"), 4);
}

static void lists_count_what_has_no_room(void **state)
{
	struct rj_text_list list = { 0 };
	char id[256];

	(void)state;
	assert_string_equal(rj_text_list_end(&list), "none");
	list = (struct rj_text_list){ 0 };
	rj_text_list_add(&list, "a");
	rj_text_list_add(&list, "b");
	assert_string_equal(rj_text_list_end(&list), "'a', 'b'");
	list = (struct rj_text_list){ 0 };
	memset(id, 1, 255);
	id[255] = '\0';
	rj_text_list_add(&list, "a");
	for (int i = 0; i < 1000; i++)
		rj_text_list_add(&list, id);
	assert_string_equal(rj_text_list_end(&list), "'a' and 1000 more");
	list = (struct rj_text_list){ 0 };
	rj_text_list_add(&list, id);
	assert_int_equal(list.shown, 1);
	assert_non_null(strstr(rj_text_list_end(&list), "..."));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_is_told_from_other_bytes),
		cmocka_unit_test(controls_and_quotes_are_escaped),
		cmocka_unit_test(long_text_is_cut_between_characters),
		cmocka_unit_test(lists_count_what_has_no_room),
	};

	return cmocka_run_group_tests_name("helpers_text", tests, NULL, NULL);
}
