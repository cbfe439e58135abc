/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

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

static int decode(uint64_t page, uint32_t count, unsigned kind,
		  uint64_t page_count, uint64_t *next_page,
		  struct rj_wire_run *ret)
{
	uint8_t table[3 * RJ_RUN_BYTES] = { 0 };

	rj_put64(table + 2 * RJ_RUN_BYTES,
		 page | (uint64_t)count << 40 | (uint64_t)kind << 60);
	memset(&err, 0, sizeof(err));
	return rj_run_decode(table, 2, page_count, next_page, ret, &err);
}

static void a_run_may_fill_the_block_to_its_last_page(void **state)
{
	struct rj_wire_run run;
	uint64_t next_page = 0;

	(void)state;
	assert_int_equal(decode(0, PAGES, RJ_RUN_ZERO, PAGES, &next_page, &run),
			 0);
	assert_int_equal(run.page, 0);
	assert_int_equal(run.count, PAGES);
	assert_int_equal(run.kind, RJ_RUN_ZERO);
	assert_int_equal(next_page, PAGES);
	next_page = 0;
	assert_int_equal(
		decode(PAGES - 1, 1, RJ_RUN_RAW, PAGES, &next_page, &run), 0);
	assert_int_equal(next_page, PAGES);
}

static void a_run_past_its_block_is_refused_without_overflow(void **state)
{
	struct rj_wire_run run;
	uint64_t next_page = 0;

	(void)state;
	assert_int_equal(decode(1, PAGES, 0, PAGES, &next_page, &run), -EPROTO);
	assert_string_equal(err.message,
			    "run 2: pages 1 + 1000, the block has 1000");
	assert_int_equal(decode(PAGES, 1, 0, PAGES, &next_page, &run), -EPROTO);
	assert_int_equal(decode((UINT64_C(1) << 40) - 1, RJ_RUN_COUNT_MAX, 0,
				PAGES, &next_page, &run),
			 -EPROTO);
	assert_int_equal(decode(0, 1, 0, 0, &next_page, &run), -EPROTO);
	assert_int_equal(decode((UINT64_C(1) << 40) - 1, 2, 0,
				UINT64_C(1) << 40, &next_page, &run),
			 -EPROTO);
	assert_int_equal(decode((UINT64_C(1) << 40) - 1, 1, 0,
				UINT64_C(1) << 40, &next_page, &run),
			 0);
}

static void empty_runs_and_unknown_kinds_are_refused(void **state)
{
	struct rj_wire_run run;
	uint64_t next_page = 0;

	(void)state;
	assert_int_equal(decode(3, 0, 0, PAGES, &next_page, &run), -EPROTO);
	assert_string_equal(err.message, "run 2: empty");
	for (unsigned kind = 2; kind < 16; kind++)
		assert_int_equal(decode(3, 1, kind, PAGES, &next_page, &run),
				 -EPROTO);
	assert_string_equal(err.message, "run 2: unknown kind 15");
	assert_int_equal(next_page, 0);
}

static void runs_ascend_and_may_touch_but_not_overlap(void **state)
{
	struct rj_wire_run run;
	uint64_t next_page = 0;

	(void)state;
	assert_int_equal(decode(10, 5, 0, PAGES, &next_page, &run), 0);
	assert_int_equal(decode(14, 1, 0, PAGES, &next_page, &run), -EPROTO);
	assert_string_equal(err.message,
			    "run 2: page 14 comes before page 15: runs must "
			    "ascend and not overlap");
	assert_int_equal(decode(0, 1, 0, PAGES, &next_page, &run), -EPROTO);
	assert_int_equal(decode(15, 1, 1, PAGES, &next_page, &run), 0);
	assert_int_equal(next_page, 16);
}

static void runs_at_every_limit_encode_and_decode(void **state)
{
	static const struct rj_wire_run runs[] = {
		{ 0, 1, RJ_RUN_RAW },
		{ (UINT64_C(1) << 40) - 1, 1, RJ_RUN_ZERO },
		{ 0, RJ_RUN_COUNT_MAX, RJ_RUN_RAW },
		{ (UINT64_C(1) << 40) - RJ_RUN_COUNT_MAX, RJ_RUN_COUNT_MAX,
		  RJ_RUN_ZERO },
	};
	uint8_t table[RJ_RUN_BYTES];
	struct rj_wire_run back;
	uint64_t next_page;

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(runs); i++) {
		next_page = 0;
		rj_run_encode(&runs[i], table);
		assert_int_equal(rj_run_decode(table, 0, UINT64_C(1) << 40,
					       &next_page, &back, &err),
				 0);
		assert_true(back.page == runs[i].page);
		assert_int_equal(back.count, runs[i].count);
		assert_int_equal(back.kind, runs[i].kind);
	}
}

static void a_table_and_its_payload_must_be_the_same_size(void **state)
{
	const struct rj_wire_run want[] = { { 1, 2, RJ_RUN_RAW },
					    { 3, 900, RJ_RUN_ZERO },
					    { 999, 1, RJ_RUN_RAW } };
	struct rj_frame frame = { .type = RJ_FRAME_PAGES,
				  .run_count = 3,
				  .payload_bytes = 3 * 4096 };
	uint8_t table[3 * RJ_RUN_BYTES];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		rj_run_encode(&want[i], table + i * RJ_RUN_BYTES);
	assert_int_equal(rj_table_check(&frame, table, PAGES, &err), 0);
	assert_int_equal(rj_table_check(&frame, table, PAGES - 1, &err),
			 -EPROTO);
	fresh_error(NULL);
	frame.payload_bytes = 0;
	assert_int_equal(rj_table_check(&frame, table, PAGES, &err), -EPROTO);
	assert_string_equal(err.message,
			    "PAGES frame: payload of 0 bytes, its runs name "
			    "12288");
}

static void raw_runs_longer_than_32_bits_of_bytes_are_refused(void **state)
{
	uint8_t table[2 * RJ_RUN_BYTES];
	struct rj_frame frame = { .type = RJ_FRAME_PAGES,
				  .run_count = 2,
				  .payload_bytes = 0 };

	(void)state;
	/* Together 2^20 pages: 2^32 bytes, 0 in 32 bits. */
	rj_run_encode(&(struct rj_wire_run){ 0, RJ_RUN_COUNT_MAX, RJ_RUN_RAW },
		      table);
	rj_run_encode(&(struct rj_wire_run){ RJ_RUN_COUNT_MAX, 1, RJ_RUN_RAW },
		      table + RJ_RUN_BYTES);
	assert_int_equal(rj_table_check(&frame, table, UINT64_C(1) << 40, &err),
			 -EPROTO);
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
		cmocka_unit_test(a_run_may_fill_the_block_to_its_last_page),
		cmocka_unit_test(
			a_run_past_its_block_is_refused_without_overflow),
		cmocka_unit_test(empty_runs_and_unknown_kinds_are_refused),
		cmocka_unit_test(runs_ascend_and_may_touch_but_not_overlap),
		cmocka_unit_test_setup(runs_at_every_limit_encode_and_decode,
				       fresh_error),
		cmocka_unit_test_setup(
			a_table_and_its_payload_must_be_the_same_size,
			fresh_error),
		cmocka_unit_test_setup(
			raw_runs_longer_than_32_bits_of_bytes_are_refused,
			fresh_error),
	};

	return cmocka_run_group_tests_name("wire_frame", tests, NULL, NULL);
}
