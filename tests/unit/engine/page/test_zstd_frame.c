/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of zstd, made by hand from RFC 8878, against what a group may have. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/page/zstd_frame.h"
#include "engine/wire/wire.h"

#define SINGLE   0x20 /* bits of the descriptor */
#define RESERVED 0x08
#define CHECKSUM 0x04
#define SIZE_2   0x40
#define SIZE_4   0x80
#define SIZE_8   0xc0

/* The magic, and whatever else. Returns the result for pages of `content`. */
static int check(const uint8_t *rest, size_t bytes, uint32_t content,
		 struct ramjet_error *err)
{
	static const uint8_t magic[] = { 0x28, 0xb5, 0x2f, 0xfd };
	/* Just as large: a byte too far is found. */
	uint8_t *frame = malloc(sizeof(magic) + bytes);
	int rc;

	memcpy(frame, magic, sizeof(magic));
	memcpy(frame + sizeof(magic), rest, bytes);
	*err = (struct ramjet_error){ 0 };
	rc = rj_zstd_frame_check(frame, (uint32_t)(sizeof(magic) + bytes),
				 content, err);
	free(frame);
	return rc;
}

/* A last block that repeats a byte `size` times. */
#define REPEAT(size) \
	((size)*8 + 3) & 0xff, ((size)*8 + 3) >> 8 & 0xff, (size) >> 13, 0x5a

#define EXPECT_GOOD(content, ...)                             \
	do {                                                  \
		const uint8_t rest[] = { __VA_ARGS__ };       \
		struct ramjet_error why;                      \
		if (check(rest, sizeof(rest), content, &why)) \
			fail_msg("%s", why.message);          \
	} while (0)
#define EXPECT_BAD(text, content, ...)                                     \
	do {                                                               \
		const uint8_t rest[] = { __VA_ARGS__ };                    \
		struct ramjet_error why;                                   \
		assert_int_equal(check(rest, sizeof(rest), content, &why), \
				 -EPROTO);                                 \
		assert_string_equal(why.message, text);                    \
	} while (0)

static void the_size_may_be_said_in_all_ways(void **state)
{
	(void)state;
	EXPECT_GOOD(4096, SINGLE | SIZE_2, 0x00, 0x0f, REPEAT(4096));
	EXPECT_GOOD(65536, SINGLE | SIZE_2, 0x00, 0xff, REPEAT(65536));
	EXPECT_GOOD(4096, SINGLE | SIZE_4, 0, 0x10, 0, 0, REPEAT(4096));
	EXPECT_GOOD(131072, SINGLE | SIZE_4, 0, 0, 2, 0, REPEAT(131072));
	EXPECT_GOOD(4096, SINGLE | SIZE_8, 0, 0x10, 0, 0, 0, 0, 0, 0,
		    REPEAT(4096));
	/* A window of its own: of 1 KiB, and of 128. */
	EXPECT_GOOD(4096, SIZE_2, 0, 0x00, 0x0f, REPEAT(4096));
	EXPECT_GOOD(131072, SIZE_4, 7 << 3, 0, 0, 2, 0, REPEAT(131072));
	/* A few blocks: raw, repeated, compressed (which nobody looks at). */
	EXPECT_GOOD(4096, SINGLE | SIZE_2, 0x00, 0x0f, 2 << 3, 0, 0, 1, 2,
		    9 << 3 | 2, 0, 0, 5, 3 << 3 | 5, 0, 0, 7, 8, 9);
}

static void another_size_is_a_lie(void **state)
{
	(void)state;
	EXPECT_BAD("the zstd frame says it holds 4096 bytes, its pages are "
		   "8192",
		   8192, SINGLE | SIZE_2, 0x00, 0x0f, REPEAT(4096));
	EXPECT_BAD("the zstd frame says it holds 4097 bytes, its pages are "
		   "4096",
		   4096, SINGLE | SIZE_2, 0x01, 0x0f, REPEAT(4096));
	EXPECT_BAD("the zstd frame says it holds 255 bytes, its pages are "
		   "4096",
		   4096, SINGLE, 0xff, REPEAT(4096));
	/* 2^32 and a page, 2^63 and a page. */
	EXPECT_BAD("the zstd frame says it holds 4294971392 bytes, its pages "
		   "are 4096",
		   4096, SINGLE | SIZE_8, 0, 0x10, 0, 0, 1, 0, 0, 0,
		   REPEAT(4096));
	EXPECT_BAD("the zstd frame says it holds 9223372036854779904 bytes, "
		   "its pages are 4096",
		   4096, SINGLE | SIZE_8, 0, 0x10, 0, 0, 0, 0, 0, 0x80,
		   REPEAT(4096));
	EXPECT_BAD("the zstd frame does not say how much it holds", 4096, 0, 0,
		   REPEAT(4096));
}

static void what_would_take_more_is_refused(void **state)
{
	(void)state;
	EXPECT_BAD("the zstd frame wants a window of 147456 bytes, at most "
		   "131072 are given",
		   4096, SIZE_2, 7 << 3 | 1, 0x00, 0x0f, REPEAT(4096));
	EXPECT_BAD("the zstd frame wants a window of 4123168604160 bytes, at "
		   "most 131072 are given",
		   4096, SIZE_2, 0xff, 0x00, 0x0f, REPEAT(4096));
	EXPECT_BAD("the zstd frame has a checksum, wanted none", 4096,
		   SINGLE | SIZE_2 | CHECKSUM, 0x00, 0x0f, REPEAT(4096), 1, 2,
		   3, 4);
	for (unsigned kind = 1; kind < 4; kind++)
		EXPECT_BAD("the zstd frame wants a dictionary", 4096,
			   (uint8_t)(SINGLE | SIZE_2 | kind), 0, 0, 0, 0, 0x00,
			   0x0f, REPEAT(4096));
	EXPECT_BAD("the zstd frame has a reserved bit set", 4096,
		   SINGLE | SIZE_2 | RESERVED, 0x00, 0x0f, REPEAT(4096));
	EXPECT_BAD("the zstd frame has a block of a reserved type", 4096,
		   SINGLE | SIZE_2, 0x00, 0x0f, 7, 0, 0);
}

static void there_is_one_frame_and_nothing_else(void **state)
{
	const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0 };
	struct ramjet_error err = { 0 };

	(void)state;
	EXPECT_BAD("1 bytes follow the zstd frame", 4096, SINGLE | SIZE_2, 0x00,
		   0x0f, REPEAT(4096), 0);
	/* The same once more. */
	EXPECT_BAD("11 bytes follow the zstd frame", 4096, SINGLE | SIZE_2,
		   0x00, 0x0f, REPEAT(4096), 0x28, 0xb5, 0x2f, 0xfd,
		   SINGLE | SIZE_2, 0x00, 0x0f, REPEAT(4096));
	assert_int_equal(
		rj_zstd_frame_check(skippable, sizeof(skippable), 4096, &err),
		-EPROTO);
	assert_string_equal(err.message,
			    "it begins 0x184d2a50, wanted a zstd frame");
}

static void cut_anywhere_it_is_too_short(void **state)
{
	static const uint8_t whole[] = {
		SIZE_4, 7 << 3,     0, 0x10, 0, 0,          4 << 3, 0,
		0,      1,          2, 3,    4, 9 << 3 | 2, 0,      0,
		5,      3 << 3 | 5, 0, 0,    7, 8,          9,
	};
	struct ramjet_error err;

	(void)state;
	assert_int_equal(check(whole, sizeof(whole), 4096, &err), 0);
	for (size_t bytes = 0; bytes < sizeof(whole); bytes++) {
		assert_int_equal(check(whole, bytes, 4096, &err), -EPROTO);
		assert_string_equal(err.message, "the zstd frame is cut short");
	}
	for (uint32_t bytes = 0; bytes < 4; bytes++)
		assert_int_equal(
			rj_zstd_frame_check((const uint8_t *)"\x28\xb5\x2f",
					    bytes, 4096, &err),
			-EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_size_may_be_said_in_all_ways),
		cmocka_unit_test(another_size_is_a_lie),
		cmocka_unit_test(what_would_take_more_is_refused),
		cmocka_unit_test(there_is_one_frame_and_nothing_else),
		cmocka_unit_test(cut_anywhere_it_is_too_short),
	};

	return cmocka_run_group_tests_name("page_zstd_frame", tests, NULL,
					   NULL);
}
