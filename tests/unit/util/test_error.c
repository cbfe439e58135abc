/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"

static void first_error_wins(void **state)
{
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(rj_fail(&err, -EPROTO, "channel %d: bad magic", 3),
			 -EPROTO);
	assert_int_equal(rj_fail(&err, -EIO, "later"), -EIO);
	assert_int_equal(err.code, -EPROTO);
	assert_string_equal(err.message, "channel 3: bad magic");
}

static void no_error_object_is_fine(void **state)
{
	(void)state;
	assert_int_equal(rj_fail(NULL, -EIO, "x"), -EIO);
	assert_int_equal(rj_fail_errno(NULL, -EIO, "x"), -EIO);
	rj_error_prefix(NULL, "x");
}

static void errno_text_follows_the_message(void **state)
{
	struct ramjet_error err = { 0 };

	(void)state;
	rj_fail_errno(&err, -ENOENT, "open /x");
	assert_string_equal(err.message, "open /x: No such file or directory");
	rj_error_prefix(&err, "block %s", "ram0");
	assert_string_equal(err.message,
			    "block ram0: open /x: No such file or directory");
}

static void long_messages_are_cut_not_overrun(void **state)
{
	struct ramjet_error err = { 0 };
	char text[2000];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	rj_fail_errno(&err, -ENOENT, "%s", text);
	assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
	rj_error_prefix(&err, "p");
	assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
	assert_memory_equal(err.message, "p: aa", 5);
}

/* 254 characters of two bytes fill 508 but for the NUL. */
static void long_messages_are_cut_between_characters(void **state)
{
	struct ramjet_error err = { 0 };
	char text[2001];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[sizeof(text) - 1] = '\0';
	rj_fail(&err, -EIO, "%s", text);
	assert_int_equal(strlen(err.message), sizeof(err.message) - 2);
	assert_memory_equal(err.message + sizeof(err.message) - 4, "\xc3\xa9",
			    3);
	rj_error_prefix(&err, "p");
	assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
	rj_error_prefix(&err, "p");
	assert_int_equal(strlen(err.message), sizeof(err.message) - 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_error_wins),
		cmocka_unit_test(no_error_object_is_fine),
		cmocka_unit_test(errno_text_follows_the_message),
		cmocka_unit_test(long_messages_are_cut_not_overrun),
		cmocka_unit_test(long_messages_are_cut_between_characters),
	};

	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
