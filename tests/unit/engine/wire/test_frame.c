/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "engine/page/run_table.h"
#include "engine/wire/bytes.h"
#include "engine/wire/wire.h"

#define PAGES 1000u

static struct ramjet_error err;

static int fresh_error(void **state)
{
	(void)state;
	memset(&err, 0, sizeof(err));
	return 0;
}

static void little_endian_integers_survive_any_alignment(void **state)
{
	uint8_t bytes[16] = { 0 };

	(void)state;
	for (unsigned at = 0; at < 8; at++) {
		rj_put64(bytes + at, 0x0102030405060708);
		assert_int_equal(bytes[at], 8);
		assert_int_equal(bytes[at + 7], 1);
		assert_true(rj_get64(bytes + at) == 0x0102030405060708);
		rj_put32(bytes + at, 0xfffefdfc);
		assert_int_equal(bytes[at], 0xfc);
		assert_int_equal(rj_get32(bytes + at), 0xfffefdfc);
		rj_put16(bytes + at, 0x1234);
		assert_int_equal(bytes[at], 0x34);
		assert_int_equal(rj_get16(bytes + at), 0x1234);
	}
}

static void a_header_lies_byte_by_byte_as_documented(void **state)
{
	const struct rj_frame frame = { .type = RJ_FRAME_PAGES,
					.flags = RJ_FLAG_OPTIONAL,
					.block = 0x0201,
					.round = 0x06050403,
					.run_count = 1,
					.payload_bytes = 0x1000 };
	static const uint8_t want[] = { 0x52, 0x4d, 0x4a, 0x31, 0x10, 0x01,
					0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
					0x01, 0x00, 0x00, 0x00, 0x00, 0x10,
					0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
					0x00, 0x00, 0x00, 0x00 };
	const uint8_t table[RJ_RUN_BYTES] = { 0 };
	uint8_t header[RJ_HEADER_BYTES];
	struct rj_frame back;

	(void)state;
	rj_frame_encode(&frame, table, NULL, header);
	assert_memory_equal(header, want, sizeof(want));
	assert_int_equal(rj_frame_decode(header, &back, &err), 0);
	assert_int_equal(back.type, frame.type);
	assert_int_equal(back.flags, frame.flags);
	assert_int_equal(back.block, frame.block);
	assert_int_equal(back.round, frame.round);
	assert_int_equal(back.run_count, frame.run_count);
	assert_int_equal(back.payload_bytes, frame.payload_bytes);
	assert_int_equal(back.aux, 0);
	assert_int_equal(rj_frame_verify(header, &back, table, NULL, &err), 0);
}

static void the_content_of_pages_is_not_covered_but_their_table_is(void **state)
{
	const struct rj_frame frame = { .type = RJ_FRAME_PAGES,
					.run_count = 1,
					.payload_bytes = 4096 };
	uint8_t table[RJ_RUN_BYTES] = { 1 };
	uint8_t header[RJ_HEADER_BYTES];
	struct rj_frame back;

	(void)state;
	assert_int_equal(rj_frame_covered_bytes(&frame), 0);
	rj_frame_encode(&frame, table, NULL, header);
	assert_int_equal(rj_frame_decode(header, &back, &err), 0);
	assert_int_equal(rj_frame_verify(header, &back, table, NULL, &err), 0);
	table[7] ^= 0x10;
	assert_int_equal(rj_frame_verify(header, &back, table, NULL, &err),
			 -EBADMSG);
	assert_non_null(strstr(err.message, "PAGES frame: check word"));
}

static void any_changed_byte_of_a_header_is_noticed(void **state)
{
	const struct rj_frame frame = { .type = RJ_FRAME_STATE,
					.flags = RJ_FLAG_MORE,
					.payload_bytes = 4,
					.aux = RJ_STATE_HELPERS };
	uint8_t header[RJ_HEADER_BYTES], body[4] = "abc";
	struct rj_frame back;

	(void)state;
	for (size_t i = 0; i < RJ_HEADER_BYTES; i++) {
		rj_frame_encode(&frame, NULL, body, header);
		header[i] ^= 0x01;
		if (!rj_frame_decode(header, &back, NULL) &&
		    back.payload_bytes == sizeof(body))
			assert_int_not_equal(rj_frame_verify(header, &back,
							     NULL, body, NULL),
					     0);
	}
}

static void a_failed_decode_leaves_the_result_alone(void **state)
{
	const struct rj_frame frame = { .type = RJ_FRAME_COMMIT, .round = 1 };
	uint8_t header[RJ_HEADER_BYTES];
	struct rj_frame back = { .round = 77 };
	struct rj_wire_run run = { .page = 77 };
	uint64_t next_page = 5;

	(void)state;
	rj_frame_encode(&frame, NULL, NULL, header);
	assert_int_equal(rj_frame_decode(header, &back, &err), -EPROTO);
	assert_int_equal(back.round, 77);
	memset(header, 0, sizeof(header));
	assert_int_equal(
		rj_run_decode(header, 0, PAGES, &next_page, &run, NULL),
		-EPROTO);
	assert_int_equal(run.page, 77);
	assert_int_equal(next_page, 5);
}

static void only_optional_frames_may_be_of_unknown_type(void **state)
{
	uint8_t header[RJ_HEADER_BYTES];
	struct rj_frame frame = { 0 }, back;
	bool known;

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		frame.type = (uint8_t)type;
		known = strcmp(rj_frame_type_name(frame.type), "unknown") != 0;
		frame.flags = 0;
		rj_frame_encode(&frame, NULL, NULL, header);
		if (!known)
			assert_int_equal(rj_frame_decode(header, &back, NULL),
					 -EPROTO);
		frame.flags = RJ_FLAG_OPTIONAL;
		rj_frame_encode(&frame, NULL, NULL, header);
		if (!known)
			assert_int_equal(rj_frame_decode(header, &back, NULL),
					 0);
	}
}

static void each_known_type_has_its_own_name(void **state)
{
	(void)state;
	assert_string_equal(rj_frame_type_name(RJ_FRAME_HELLO), "HELLO");
	assert_string_equal(rj_frame_type_name(RJ_FRAME_RUNNING), "RUNNING");
	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < a; b++)
			if (strcmp(rj_frame_type_name((uint8_t)a), "unknown"))
				assert_string_not_equal(
					rj_frame_type_name((uint8_t)a),
					rj_frame_type_name((uint8_t)b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(little_endian_integers_survive_any_alignment),
		cmocka_unit_test_setup(a_header_lies_byte_by_byte_as_documented,
				       fresh_error),
		cmocka_unit_test_setup(
			the_content_of_pages_is_not_covered_but_their_table_is,
			fresh_error),
		cmocka_unit_test(any_changed_byte_of_a_header_is_noticed),
		cmocka_unit_test_setup(a_failed_decode_leaves_the_result_alone,
				       fresh_error),
		cmocka_unit_test(only_optional_frames_may_be_of_unknown_type),
		cmocka_unit_test(each_known_type_has_its_own_name),
	};

	return cmocka_run_group_tests_name("wire_frame", tests, NULL, NULL);
}
