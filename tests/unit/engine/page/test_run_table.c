/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "engine/page/run_table.h"
#include "engine/wire/bytes.h"

#define PAGES 1000u

static struct ramjet_error err;

static int fresh_error(void **state)
{
	(void)state;
	memset(&err, 0, sizeof(err));
	return 0;
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
	for (unsigned kind = RJ_RUN_SAME + 1; kind < 16; kind++)
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

/* Where all there is in a frame is whole pages. */
static void half_a_page_is_refused(void **state)
{
	const struct rj_wire_run run = { 3, 1, RJ_RUN_RAW };
	const struct rj_frame frame = { .type = RJ_FRAME_PAGES,
					.run_count = 1,
					.payload_bytes = 2048 };
	uint8_t table[RJ_RUN_BYTES];

	(void)state;
	rj_run_encode(&run, table);
	assert_int_equal(rj_table_check(&frame, table, PAGES, &err), -EPROTO);
	assert_string_equal(err.message,
			    "PAGES frame: payload of 2048 bytes, wanted a "
			    "multiple of 4096");
}

/* Runs with one entry each, but a group's first: what follows it is told. */
static int check_groups(const struct rj_wire_run *runs, unsigned count,
			uint32_t told)
{
	struct rj_frame frame = { .type = RJ_FRAME_PAGES };
	uint8_t table[16 * RJ_RUN_BYTES];

	fresh_error(NULL);
	for (unsigned i = 0; i < count; i++) {
		uint8_t *entry = table + frame.run_count * RJ_RUN_BYTES;

		rj_run_encode(&runs[i], entry);
		frame.run_count += rj_run_entries(runs[i].kind);
		if (runs[i].kind == RJ_RUN_RAW)
			frame.payload_bytes +=
				runs[i].count * RAMJET_PAGE_BYTES;
		if (runs[i].kind != RJ_RUN_ZSTD)
			continue;
		rj_run_encode_told(RJ_RUN_ZSTD, told, entry + RJ_RUN_BYTES);
		frame.payload_bytes += told;
	}
	return rj_table_check(&frame, table, PAGES, &err);
}

static void expect_refused(int rc, const char *message)
{
	assert_int_equal(rc, -EPROTO);
	assert_string_equal(err.message, message);
}

static void a_group_has_one_payload_for_all_its_runs(void **state)
{
	const struct rj_wire_run runs[] = {
		{ 1, 1, RJ_RUN_ZSTD },      { 2, 1, RJ_RUN_RAW },
		{ 4, 3, RJ_RUN_JOINED },    { 7, 600, RJ_RUN_ZERO },
		{ 700, 28, RJ_RUN_JOINED }, { 728, 1, RJ_RUN_ZSTD },
	};

	(void)state;
	assert_int_equal(check_groups(runs, 6, 1), 0);
	/* More than the pages of the run that begins it. */
	assert_int_equal(check_groups(runs, 5, 32 * 4096), 0);
	expect_refused(check_groups(runs, 5, 32 * 4096 + 1),
		       "run 0: payload of 131073 bytes, wanted 1 to what its "
		       "32 pages are");
	expect_refused(check_groups(runs, 6, 4097),
		       "run 6: payload of 4097 bytes, wanted 1 to what its 1 "
		       "pages are");
	expect_refused(check_groups(runs, 6, 0),
		       "run 0: payload of 0 bytes, wanted 1 to what its 1 "
		       "pages are");
}

static void groups_that_cannot_be_are_refused(void **state)
{
	const struct rj_wire_run none[] = { { 1, 1, RJ_RUN_RAW },
					    { 3, 1, RJ_RUN_JOINED } };
	const struct rj_wire_run large[] = { { 1, 33, RJ_RUN_ZSTD } };
	const struct rj_wire_run too_many[] = {
		{ 1, 1, RJ_RUN_RAW },     { 2, 2, RJ_RUN_ZSTD },
		{ 9, 30, RJ_RUN_JOINED }, { 50, 1, RJ_RUN_ZERO },
		{ 60, 1, RJ_RUN_JOINED },
	};
	const struct rj_wire_run most[] = {
		{ 1, 1, RJ_RUN_ZSTD }, { 2, RJ_RUN_COUNT_MAX, RJ_RUN_JOINED }
	};

	(void)state;
	expect_refused(check_groups(none, 2, 1),
		       "run 1: joins a group, and none has begun");
	expect_refused(check_groups(large, 1, 1),
		       "run 0: more than 32 pages in the group that began "
		       "with run 0");
	assert_int_equal(check_groups(too_many, 4, 9), 0);
	expect_refused(check_groups(too_many, 5, 9),
		       "run 5: more than 32 pages in the group that began "
		       "with run 1");
	assert_int_equal(check_groups(most, 2, 1), -EPROTO);
}

/* A word run and what follows, in a frame of `entries`. */
static int check_word(uint64_t word, uint32_t entries)
{
	const struct rj_wire_run runs[] = { { 5, 600, RJ_RUN_WORD },
					    { 605, 1, RJ_RUN_RAW } };
	const struct rj_frame frame = { .type = RJ_FRAME_PAGES,
					.run_count = entries,
					.payload_bytes = 4096 };
	uint8_t table[3 * RJ_RUN_BYTES];

	rj_run_encode(&runs[0], table);
	rj_put64(table + RJ_RUN_BYTES, word);
	rj_run_encode(&runs[1], table + 2 * RJ_RUN_BYTES);
	memset(&err, 0, sizeof(err));
	return rj_table_check(&frame, table, PAGES, &err);
}

static void a_word_is_no_run_whatever_it_is(void **state)
{
	(void)state;
	/* As a run it would be one of no kind, empty, of pages too many. */
	assert_int_equal(check_word(UINT64_MAX, 3), 0);
	assert_int_equal(check_word(1, 3), 0);
	assert_int_equal(check_word(UINT64_C(1) << 63, 3), 0);
	assert_int_equal(check_word(0, 3), -EPROTO);
	assert_string_equal(err.message,
			    "run 0: its word is 0: wanted a zero run");
	assert_int_equal(check_word(1, 1), -EPROTO);
	assert_string_equal(err.message,
			    "run 0: the table ends, wanted its word");
	/* Its run is there, but not the raw one. */
	assert_int_equal(check_word(1, 2), -EPROTO);
	assert_string_equal(err.message,
			    "PAGES frame: payload of 4096 bytes, its runs name "
			    "0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		cmocka_unit_test_setup(half_a_page_is_refused, fresh_error),
		cmocka_unit_test(a_group_has_one_payload_for_all_its_runs),
		cmocka_unit_test(groups_that_cannot_be_are_refused),
		cmocka_unit_test(a_word_is_no_run_whatever_it_is),
	};

	return cmocka_run_group_tests_name("page_run_table", tests, NULL, NULL);
}
