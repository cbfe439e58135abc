/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "util/compiler.h"
#include "util/utf8.h"

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
					   "\xed\xbf\xbf",
					   "\xe0\x80\xaf",
					   "\xf0\x80\x80\xaf",
					   "\xf4\x90\x80\x80",
					   "\xf5\x80\x80\x80",
					   "\xf8\x88\x80\x80\x80",
					   "\xff",
					   "a\xc3(",
					   "\xe2\x82" };

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(good); i++)
		assert_true(rj_utf8_is_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < RJ_ARRAY_SIZE(bad); i++)
		assert_false(rj_utf8_is_valid(bad[i], strlen(bad[i])));
	assert_false(rj_utf8_is_valid("a\0b", 3));
}

/* Every sequence of two bytes, and every code point there can be. */
static void each_code_point_has_one_form(void **state)
{
	unsigned pairs = 0, points = 0;

	(void)state;
	for (unsigned pair = 0; pair < 0x10000; pair++) {
		const unsigned char text[] = { (unsigned char)(pair >> 8),
					       (unsigned char)pair };

		pairs += rj_utf8_width(text, 2) == 2;
	}
	assert_int_equal(pairs, 0x800 - 0x80);
	for (unsigned long n = 0xe00000; n <= 0xefffff; n++) {
		const unsigned char text[] = { (unsigned char)(n >> 16),
					       (unsigned char)(n >> 8),
					       (unsigned char)n };

		points += rj_utf8_width(text, 3) == 3;
	}
	assert_int_equal(points, 0x10000 - 0x800 - 0x800); /* surrogates */
}

static void a_character_is_not_read_past_its_end(void **state)
{
	static const char text[] = "\xf0\x9f\x9a\x80";

	(void)state;
	for (size_t left = 1; left < 4; left++)
		assert_int_equal(rj_utf8_width(text, left), 0);
	assert_int_equal(rj_utf8_width(text, 4), 4);
}

static void controls_are_not_printable(void **state)
{
	static const char *const bad[] = { "\x01",     "a\nb",     "\x1b[2J",
					   "\x7f",     "\xc2\x80", "\xc2\x9b",
					   "\xc2\x9f", "\xc0\x9b", "\xff" };
	static const char *const good[] = { "", "a b", "\xc2\xa0",
					    "\xe2\x82\xac" };

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(bad); i++)
		assert_false(rj_utf8_is_printable(bad[i], strlen(bad[i])));
	for (size_t i = 0; i < RJ_ARRAY_SIZE(good); i++)
		assert_true(rj_utf8_is_printable(good[i], strlen(good[i])));
}

static void half_a_character_at_the_end_goes(void **state)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = {
		{ "", "" },
		{ "a", "a" },
		{ "a\xc3", "a" },
		{ "a\xc3\xa9", "a\xc3\xa9" },
		{ "\xe2\x82", "" },
		{ "x\xe2\x82\xac", "x\xe2\x82\xac" },
		{ "x\xf0\x9f\x9a", "x" },
		{ "x\x80", "x\x80" },
		{ "x\xff", "x\xff" },
		{ "\x80\x80\x80\x80", "\x80\x80\x80\x80" },
	};
	char text[8];

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++) {
		(void)snprintf(text, sizeof(text), "%s", rows[i].text);
		rj_utf8_trim(text);
		assert_string_equal(text, rows[i].wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_is_told_from_other_bytes),
		cmocka_unit_test(each_code_point_has_one_form),
		cmocka_unit_test(a_character_is_not_read_past_its_end),
		cmocka_unit_test(controls_are_not_printable),
		cmocka_unit_test(half_a_character_at_the_end_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
