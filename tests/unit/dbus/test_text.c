/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "dbus/text.h"
#include "util/compiler.h"
#include "util/utf8.h"

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
		assert_true(rj_utf8_is_valid(out, strlen(out)));
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
		cmocka_unit_test(controls_and_quotes_are_escaped),
		cmocka_unit_test(long_text_is_cut_between_characters),
		cmocka_unit_test(lists_count_what_has_no_room),
	};

	return cmocka_run_group_tests_name("helpers_text", tests, NULL, NULL);
}
