/* SPDX-License-Identifier: BSD-3-Clause */
/* With the kinds there are; with others, test_more_kinds.c. */
#include "tests/unit/cmocka_all.h"

#include <stdint.h>

#include "engine/page/coding.h"

#define FRAME (16 * RAMJET_PAGE_BYTES)

static uint8_t *const pages = (uint8_t *)0x100000000000;

static void raw_pages_are_sent_from_where_they_lie(void **state)
{
	struct rj_page_codec codec;
	struct rj_page_payload payload;

	(void)state;
	rj_page_codec_init(&codec, FRAME);
	payload = rj_page_payload_of(&codec, 1, 0, pages, 9, RJ_RUN_RAW);
	assert_ptr_equal(payload.from, pages);
	assert_int_equal(payload.bytes, 9 * RAMJET_PAGE_BYTES);
	assert_int_equal(payload.kind, RJ_RUN_RAW);
	/* No memory is taken for them. */
	assert_null(codec.coded);
	assert_null(codec.copies);
	rj_page_codec_done(&codec);
}

static void zero_pages_are_nothing(void **state)
{
	struct rj_page_codec codec;
	struct rj_page_payload payload;

	(void)state;
	rj_page_codec_init(&codec, FRAME);
	payload = rj_page_payload_of(&codec, 0, 0, pages, RJ_RUN_COUNT_MAX,
				     RJ_RUN_ZERO);
	assert_null(payload.from);
	assert_int_equal(payload.bytes, 0);
	assert_int_equal(payload.kind, RJ_RUN_ZERO);
	assert_null(codec.coded);
	rj_page_codec_done(&codec);
}

static void copies_are_made_once_and_a_frame_has_its_own(void **state)
{
	struct rj_page_codec codec;
	uint8_t *first;

	(void)state;
	rj_page_codec_init(&codec, FRAME);
	assert_null(rj_page_codec_copies(&codec, 0));
	assert_null(rj_page_codec_copies(&codec, 1));
	assert_int_equal(rj_page_codec_copy(&codec, NULL), 0);
	first = rj_page_codec_copies(&codec, 0);
	assert_non_null(first);
	assert_int_equal((uintptr_t)first % RAMJET_PAGE_BYTES, 0);
	assert_ptr_equal(rj_page_codec_copies(&codec, 1), first + FRAME);
	assert_int_equal(rj_page_codec_copy(&codec, NULL), 0);
	assert_ptr_equal(rj_page_codec_copies(&codec, 0), first);
	rj_page_codec_done(&codec);
	/* And once more, of nothing. */
	rj_page_codec_done(&codec);
}

static void a_frame_without_pieces_has_nothing_to_place(void **state)
{
	struct rj_page_codec codec;

	(void)state;
	rj_page_codec_init(&codec, 0);
	rj_page_codec_begin(&codec);
	assert_int_equal(rj_page_place(&codec, NULL), 0);
	assert_null(codec.received);
	assert_null(codec.pieces);
	rj_page_codec_done(&codec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_pages_are_sent_from_where_they_lie),
		cmocka_unit_test(zero_pages_are_nothing),
		cmocka_unit_test(copies_are_made_once_and_a_frame_has_its_own),
		cmocka_unit_test(a_frame_without_pieces_has_nothing_to_place),
	};

	return cmocka_run_group_tests_name("page_coding", tests, NULL, NULL);
}
