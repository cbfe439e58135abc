/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/page/run_table.h"
#include "engine/send/out_frame.h"
#include "engine/wire/bytes.h"

#define BLOCK       5u
#define BLOCK_PAGES (UINT64_C(1) << 24)
#define ROOM_PAGES  (RJ_OUT_PAYLOAD_BYTES / RAMJET_PAGE_BYTES)

/* Where guest memory would be: a frame only notes addresses. */
static uint8_t *const host = (uint8_t *)0x100000000000;

static struct rj_page_codec codec;

static int setup(void **state)
{
	struct rj_out_frame *frame = malloc(sizeof(*frame));

	/* Nothing may depend on what was there. */
	memset(frame, 0xaa, sizeof(*frame));
	rj_page_codec_init(&codec, RJ_OUT_PAYLOAD_BYTES);
	rj_out_frame_init(frame, &codec, 1);
	*state = frame;
	return 0;
}

static int teardown(void **state)
{
	rj_page_codec_done(&codec);
	free(*state);
	return 0;
}

static uint32_t add(struct rj_out_frame *f, uint64_t page, uint32_t count,
		    enum rj_run_kind kind)
{
	return rj_out_frame_add(f, BLOCK, host + page * RAMJET_PAGE_BYTES, page,
				count, kind);
}

/* What the receiver would make of it: runs, and what is sent for them. */
static void expect(struct rj_out_frame *f, uint32_t round,
		   const struct rj_wire_run *runs, uint32_t count)
{
	const uint8_t *table = f->head + RJ_HEADER_BYTES;
	struct ramjet_error err = { 0 };
	struct rj_frame header = { 0 };
	uint64_t next = 0, payload = 0;
	unsigned iov = 1;

	rj_out_frame_seal(f, round);
	assert_int_equal(rj_frame_decode(f->head, &header, &err), 0);
	assert_int_equal(rj_frame_verify(f->head, &header, table, NULL, &err),
			 0);
	assert_int_equal(header.type, RJ_FRAME_PAGES);
	assert_int_equal(header.flags, 0);
	assert_int_equal(header.block, BLOCK);
	assert_int_equal(header.round, round);
	assert_int_equal(header.run_count, count);
	assert_int_equal(rj_table_check(&header, table, BLOCK_PAGES, &err), 0);
	assert_ptr_equal(f->iov[0].iov_base, f->head);
	assert_int_equal(f->iov[0].iov_len,
			 RJ_HEADER_BYTES + count * RJ_RUN_BYTES);
	for (uint32_t i = 0; i < count; i++) {
		struct rj_wire_run run = { 0 };
		const size_t bytes = (size_t)runs[i].count * RAMJET_PAGE_BYTES;

		assert_int_equal(
			rj_run_decode(table, i, BLOCK_PAGES, &next, &run, &err),
			0);
		assert_int_equal(run.page, runs[i].page);
		assert_int_equal(run.count, runs[i].count);
		assert_int_equal(run.kind, runs[i].kind);
		if (run.kind == RJ_RUN_ZERO)
			continue;
		assert_ptr_equal(f->iov[iov].iov_base,
				 host + run.page * RAMJET_PAGE_BYTES);
		assert_int_equal(f->iov[iov++].iov_len, bytes);
		payload += bytes;
	}
	assert_int_equal(f->iov_count, iov);
	assert_int_equal(header.payload_bytes, payload);
	assert_int_equal(f->payload_bytes, payload);
}

static void a_fresh_frame_is_empty(void **state)
{
	assert_true(rj_out_frame_is_empty(*state));
}

static void one_run_is_header_table_and_pages(void **state)
{
	const struct rj_wire_run runs[] = { { 7, 3, RJ_RUN_RAW } };
	struct rj_out_frame *f = *state;

	assert_int_equal(add(f, 7, 3, RJ_RUN_RAW), 3);
	assert_false(rj_out_frame_is_empty(f));
	assert_int_equal(f->pages[RJ_RUN_RAW], 3);
	assert_int_equal(f->pages[RJ_RUN_ZERO], 0);
	expect(f, 4711, runs, 1);
}

static void adjacent_pages_of_a_kind_become_one_run(void **state)
{
	const struct rj_wire_run runs[] = { { 10, 6, RJ_RUN_RAW },
					    { 16, 5, RJ_RUN_ZERO },
					    { 21, 1, RJ_RUN_RAW },
					    { 23, 1, RJ_RUN_RAW } };
	struct rj_out_frame *f = *state;

	assert_int_equal(add(f, 10, 2, RJ_RUN_RAW), 2);
	assert_int_equal(add(f, 12, 4, RJ_RUN_RAW), 4);
	assert_int_equal(add(f, 16, 1, RJ_RUN_ZERO), 1);
	assert_int_equal(add(f, 17, 4, RJ_RUN_ZERO), 4);
	assert_int_equal(add(f, 21, 1, RJ_RUN_RAW), 1);
	assert_int_equal(add(f, 23, 1, RJ_RUN_RAW), 1);
	assert_int_equal(f->pages[RJ_RUN_RAW], 8);
	assert_int_equal(f->pages[RJ_RUN_ZERO], 5);
	expect(f, 0, runs, 4);
}

static void zero_runs_need_no_payload(void **state)
{
	const struct rj_wire_run runs[] = { { 0, 1000, RJ_RUN_ZERO } };
	struct rj_out_frame *f = *state;

	assert_int_equal(add(f, 0, 1000, RJ_RUN_ZERO), 1000);
	expect(f, 1, runs, 1);
	assert_int_equal(f->payload_bytes, 0);
}

static uint32_t add_word(struct rj_out_frame *f, uint64_t page, uint32_t count,
			 uint64_t word)
{
	codec.word = word;
	return add(f, page, count, RJ_RUN_WORD);
}

/* Entry `at` and the word after it. */
static void expect_word(const struct rj_out_frame *f, uint32_t at,
			uint64_t page, uint32_t count, uint64_t word)
{
	const uint8_t *entry =
		f->head + RJ_HEADER_BYTES + (size_t)at * RJ_RUN_BYTES;
	const struct rj_wire_run run = rj_run_unpack(entry);

	assert_int_equal(run.page, page);
	assert_int_equal(run.count, count);
	assert_int_equal(run.kind, RJ_RUN_WORD);
	assert_true(rj_get64(entry + RJ_RUN_BYTES) == word);
}

static void adjacent_pages_of_the_same_word_become_one_run(void **state)
{
	const uint64_t most = UINT64_MAX;
	struct rj_out_frame *f = *state;
	struct rj_frame header = { 0 };

	assert_int_equal(add_word(f, 10, 2, 7), 2);
	assert_int_equal(add_word(f, 12, 5, 7), 5);
	assert_int_equal(add_word(f, 17, 1, most), 1);
	assert_int_equal(add(f, 18, 1, RJ_RUN_RAW), 1);
	assert_int_equal(add_word(f, 19, 1, most), 1);
	assert_int_equal(add_word(f, 21, 1, most), 1);
	/* The word that was cut last is not that of the run. */
	codec.word = 5;
	rj_out_frame_seal(f, 3);
	assert_int_equal(f->run_count, 9);
	assert_int_equal(f->pages[RJ_RUN_WORD], 10);
	assert_int_equal(f->payload_bytes, RAMJET_PAGE_BYTES);
	assert_int_equal(f->iov_count, 2);
	expect_word(f, 0, 10, 7, 7);
	expect_word(f, 2, 17, 1, most);
	expect_word(f, 5, 19, 1, most);
	expect_word(f, 7, 21, 1, most);
	assert_int_equal(rj_frame_decode(f->head, &header, NULL), 0);
	assert_int_equal(rj_table_check(&header, f->head + RJ_HEADER_BYTES,
					BLOCK_PAGES, NULL),
			 0);
}

static void a_word_needs_room_for_two_entries(void **state)
{
	struct rj_out_frame *f = *state;
	uint64_t page = 0;

	while (f->run_count < RJ_OUT_RUNS_MAX - 1) {
		assert_int_equal(add(f, page, 1, RJ_RUN_ZERO), 1);
		page += 2;
	}
	assert_int_equal(add_word(f, page, 1, 7), 0);
	assert_int_equal(add(f, page, 1, RJ_RUN_ZERO), 1);
	rj_out_frame_reset(f);
	for (page = 0; f->run_count + 2 <= RJ_OUT_RUNS_MAX; page++)
		assert_int_equal(add_word(f, page, 1, page + 1), 1);
	/* Its own word goes on, another does not. */
	assert_int_equal(add_word(f, page, 1, page + 1), 0);
	assert_int_equal(add_word(f, page, 1, page), 1);
}

/* The target is not kept from its connection for long. */
static void words_beyond_their_limit_wait(void **state)
{
	struct rj_out_frame *f = *state;
	uint32_t most;

	most = add_word(f, 0, RJ_RUN_COUNT_MAX, 7);
	assert_in_range(most, ROOM_PAGES, 65536);
	assert_int_equal(rj_out_frame_room(f, BLOCK, most), 0);
	assert_int_equal(add_word(f, most, 1, 7), 0);
	assert_int_equal(add_word(f, most, 1, 8), 0);
	assert_int_equal(add(f, most, 1, RJ_RUN_RAW), 1);
	rj_out_frame_reset(f);
	assert_int_equal(add_word(f, 3, most - 1, 7), most - 1);
	assert_int_equal(rj_out_frame_room(f, BLOCK, most + 2), 1);
	assert_int_equal(add_word(f, most + 2, 9, 8), 1);
}

static void pages_of_another_block_or_from_before_wait(void **state)
{
	const struct rj_wire_run runs[] = { { 8, 4, RJ_RUN_RAW } };
	struct rj_out_frame *f = *state;

	assert_int_equal(add(f, 8, 4, RJ_RUN_RAW), 4);
	assert_int_equal(rj_out_frame_add(f, BLOCK + 1,
					  host + (size_t)12 * RAMJET_PAGE_BYTES,
					  12, 1, RJ_RUN_RAW),
			 0);
	assert_int_equal(add(f, 11, 1, RJ_RUN_RAW), 0);
	assert_int_equal(add(f, 0, 1, RJ_RUN_ZERO), 0);
	expect(f, 0, runs, 1);
}

static void raw_pages_beyond_the_payload_limit_wait(void **state)
{
	const struct rj_wire_run runs[] = { { 0, 4, RJ_RUN_RAW },
					    { 8, ROOM_PAGES - 4, RJ_RUN_RAW },
					    { ROOM_PAGES + 20, 9,
					      RJ_RUN_ZERO } };
	struct rj_out_frame *f = *state;

	assert_int_equal(add(f, 0, 4, RJ_RUN_RAW), 4);
	assert_int_equal(add(f, 8, 512, RJ_RUN_RAW), ROOM_PAGES - 4);
	assert_int_equal(add(f, 4 + ROOM_PAGES, 1, RJ_RUN_RAW), 0);
	/* Zeros take no room. */
	assert_int_equal(add(f, ROOM_PAGES + 20, 9, RJ_RUN_ZERO), 9);
	expect(f, 2, runs, 3);
	assert_int_equal(f->payload_bytes, RJ_OUT_PAYLOAD_BYTES);
}

static void an_empty_frame_takes_as_much_as_fits(void **state)
{
	struct rj_out_frame *f = *state;

	assert_int_equal(add(f, 3, 100000, RJ_RUN_RAW), ROOM_PAGES);
	rj_out_frame_reset(f);
	assert_true(rj_out_frame_is_empty(f));
	assert_int_equal(add(f, 3, 1, RJ_RUN_RAW), 1);
}

static void a_full_table_refuses_new_runs_but_extends_the_last(void **state)
{
	static struct rj_wire_run runs[RJ_OUT_RUNS_MAX];
	struct rj_out_frame *f = *state;

	for (uint32_t i = 0; i < RJ_OUT_RUNS_MAX; i++) {
		runs[i] = (struct rj_wire_run){ 2 * i, 1,
						i % 8 ? RJ_RUN_ZERO
						      : RJ_RUN_RAW };
		assert_int_equal(add(f, 2 * i, 1, runs[i].kind), 1);
	}
	assert_int_equal(add(f, 5000, 1, RJ_RUN_ZERO), 0);
	assert_int_equal(add(f, 5000, 1, RJ_RUN_RAW), 0);
	assert_int_equal(add(f, 2 * RJ_OUT_RUNS_MAX - 1, 1, RJ_RUN_ZERO), 1);
	runs[RJ_OUT_RUNS_MAX - 1].count++;
	expect(f, 3, runs, RJ_OUT_RUNS_MAX);
	/* With a fence it is still one gathered send. */
	rj_out_frame_fence(f, 3, false);
	assert_true(f->iov_count <= RJ_RUNS_MAX + 1);
}

static void the_longest_payload_and_table_fit_one_gathered_send(void **state)
{
	struct rj_out_frame *f = *state;
	unsigned raw = 0, runs = 0;

	for (uint64_t page = 0; runs < RJ_OUT_RUNS_MAX; page += 2, runs++) {
		const bool fits = raw < ROOM_PAGES;

		assert_int_equal(
			add(f, page, 1, fits ? RJ_RUN_RAW : RJ_RUN_ZERO), 1);
		raw += fits;
	}
	rj_out_frame_seal(f, 1);
	rj_out_frame_fence(f, 1, true);
	assert_int_equal(f->iov_count, ROOM_PAGES + 2);
	assert_true(f->iov_count <= RJ_OUT_RUNS_MAX + 2);
}

static void runs_longer_than_the_wire_can_say_are_split(void **state)
{
	const struct rj_wire_run runs[] = {
		{ 0, RJ_RUN_COUNT_MAX, RJ_RUN_ZERO },
		{ RJ_RUN_COUNT_MAX, 2, RJ_RUN_ZERO },
	};
	struct rj_out_frame *f = *state;

	assert_int_equal(add(f, 0, RJ_RUN_COUNT_MAX - 1, RJ_RUN_ZERO),
			 RJ_RUN_COUNT_MAX - 1);
	assert_int_equal(add(f, RJ_RUN_COUNT_MAX - 1, 1, RJ_RUN_ZERO), 1);
	assert_int_equal(add(f, RJ_RUN_COUNT_MAX, 2, RJ_RUN_ZERO), 2);
	expect(f, 0, runs, 2);
}

static void more_than_a_run_can_hold_goes_in_in_parts(void **state)
{
	struct rj_out_frame *f = *state;
	uint64_t page = 0;
	uint32_t left = 3 * RJ_RUN_COUNT_MAX, added;

	while (left) {
		added = add(f, page, left, RJ_RUN_ZERO);
		assert_true(added > 0 && added <= RJ_RUN_COUNT_MAX);
		page += added;
		left -= added;
	}
	assert_int_equal(f->pages[RJ_RUN_ZERO], 3 * (uint64_t)RJ_RUN_COUNT_MAX);
	rj_out_frame_seal(f, 0);
	assert_int_equal(f->run_count, 3);
}

static void expect_fence(const struct iovec *iov, uint32_t round, bool final)
{
	struct ramjet_error err = { 0 };
	struct rj_frame header = { 0 };

	assert_int_equal(iov->iov_len, RJ_HEADER_BYTES);
	assert_int_equal(rj_frame_decode(iov->iov_base, &header, &err), 0);
	assert_int_equal(
		rj_frame_verify(iov->iov_base, &header, NULL, NULL, &err), 0);
	assert_int_equal(header.type, RJ_FRAME_FENCE);
	assert_int_equal(header.round, round);
	assert_int_equal(header.flags, final ? RJ_FLAG_FINAL : 0);
}

static void a_fence_follows_the_pages(void **state)
{
	struct rj_out_frame *f = *state;

	assert_int_equal(add(f, 1, 1, RJ_RUN_RAW), 1);
	rj_out_frame_seal(f, 9);
	rj_out_frame_fence(f, 9, false);
	assert_int_equal(f->iov_count, 3);
	assert_ptr_equal(f->iov[0].iov_base, f->head);
	expect_fence(&f->iov[2], 9, false);
}

static void a_fence_may_come_alone(void **state)
{
	struct rj_out_frame *f = *state;

	rj_out_frame_fence(f, UINT32_MAX, true);
	assert_int_equal(f->iov_count, 1);
	expect_fence(&f->iov[0], UINT32_MAX, true);
	/* And leaves nothing behind. */
	rj_out_frame_reset(f);
	assert_int_equal(add(f, 1, 1, RJ_RUN_RAW), 1);
	expect(f, 0, &(struct rj_wire_run){ 1, 1, RJ_RUN_RAW }, 1);
}

/* What is sent is what was summed, whatever the guest writes meanwhile. */
static void where_the_codec_copies_the_pages_are_summed(void **state)
{
	const size_t bytes = 3 * (size_t)RAMJET_PAGE_BYTES;
	struct rj_out_frame *f = *state;
	uint8_t *guest = malloc(8 * (size_t)RAMJET_PAGE_BYTES);
	uint8_t *want = malloc(bytes);
	struct rj_frame header = { 0 };

	for (unsigned i = 0; i < 8; i++)
		memset(guest + i * RAMJET_PAGE_BYTES, (int)i + 1,
		       RAMJET_PAGE_BYTES);
	memcpy(want, guest + RAMJET_PAGE_BYTES, RAMJET_PAGE_BYTES);
	memcpy(want + RAMJET_PAGE_BYTES, guest + 5 * RAMJET_PAGE_BYTES,
	       2 * RAMJET_PAGE_BYTES);
	assert_int_equal(rj_page_codec_copy(&codec, NULL), 0);
	(void)rj_out_frame_add(f, BLOCK, guest + RAMJET_PAGE_BYTES, 1, 1,
			       RJ_RUN_RAW);
	(void)rj_out_frame_add(f, BLOCK, guest + (size_t)2 * RAMJET_PAGE_BYTES,
			       2, 3, RJ_RUN_ZERO);
	(void)rj_out_frame_add(f, BLOCK, guest + (size_t)5 * RAMJET_PAGE_BYTES,
			       5, 2, RJ_RUN_RAW);
	rj_out_frame_seal(f, 4);
	memset(guest, 0xee, 8 * (size_t)RAMJET_PAGE_BYTES);
	assert_int_equal(rj_frame_decode(f->head, &header, NULL), 0);
	assert_int_equal(header.flags, RJ_FLAG_CHECKED);
	assert_true(header.payload_sum == XXH3_64bits(want, bytes));
	assert_int_equal(f->iov_count, 2);
	assert_int_equal(f->iov[1].iov_len, bytes);
	assert_memory_equal(f->iov[1].iov_base, want, bytes);
	rj_out_frame_fence(f, 4, true);
	assert_int_equal(f->iov_count, 3);
	free(want);
	free(guest);
}

static void where_the_codec_copies_zero_runs_have_the_sum_of_nothing(
	void **state)
{
	struct rj_out_frame *f = *state;
	struct rj_frame header = { 0 };

	assert_int_equal(rj_page_codec_copy(&codec, NULL), 0);
	assert_int_equal(add(f, 7, 90, RJ_RUN_ZERO), 90);
	rj_out_frame_seal(f, 0);
	assert_int_equal(rj_frame_decode(f->head, &header, NULL), 0);
	assert_true(header.payload_sum == XXH3_64bits(NULL, 0));
	assert_int_equal(f->iov_count, 1);
}

/* Only what was copied is looked at: so it must be what is sent. */
static void pages_of_its_own_are_sent_as_they_were(void **state)
{
	const struct rj_wire_run runs[] = { { 0, 1, RJ_RUN_RAW },
					    { 1, 2, RJ_RUN_RAW } };
	const size_t bytes = 3 * (size_t)RAMJET_PAGE_BYTES;
	struct rj_out_frame *f = *state;
	uint8_t *guest = malloc(bytes);
	uint8_t *want = malloc(bytes);
	struct rj_wire_run run = { 0 };
	uint64_t next = 0;
	uint8_t *own;

	memset(guest, 0x11, bytes);
	memcpy(want, guest, bytes);
	assert_null(rj_out_frame_own(f, guest, 1));
	assert_int_equal(rj_page_codec_own(&codec, NULL), 0);
	assert_int_equal(rj_out_frame_add(f, BLOCK, guest, 0, 1, RJ_RUN_RAW),
			 1);
	own = rj_out_frame_own(f, guest + RAMJET_PAGE_BYTES, 2);
	assert_non_null(own);
	assert_int_equal((uintptr_t)own % RAMJET_PAGE_BYTES, 0);
	assert_int_equal(rj_out_frame_add(f, BLOCK, own, 1, 2, RJ_RUN_RAW), 2);
	memset(guest, 0xee, bytes);
	rj_out_frame_seal(f, 0);
	assert_int_equal(f->iov_count, 3);
	assert_ptr_equal(f->iov[2].iov_base, own);
	assert_int_equal(f->iov[2].iov_len, 2 * RAMJET_PAGE_BYTES);
	assert_memory_equal(own, want, 2 * RAMJET_PAGE_BYTES);
	/* They don't lie behind the guest's: it is another run. */
	assert_int_equal(f->run_count, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(rj_run_decode(f->head + RJ_HEADER_BYTES, i,
					       BLOCK_PAGES, &next, &run, NULL),
				 0);
		assert_memory_equal(&run, &runs[i], sizeof(run));
	}
	free(want);
	free(guest);
}

static void there_is_room_of_its_own_for_a_frame(void **state)
{
	struct rj_out_frame *f = *state;
	uint8_t *guest = calloc(ROOM_PAGES, RAMJET_PAGE_BYTES);
	uint8_t *staged;

	assert_int_equal(rj_page_codec_own(&codec, NULL), 0);
	assert_non_null(rj_out_frame_own(f, guest, ROOM_PAGES - 1));
	assert_null(rj_out_frame_own(f, guest, 2));
	assert_non_null(rj_out_frame_own(f, guest, 1));
	assert_null(rj_out_frame_own(f, guest, 1));
	rj_out_frame_reset(f);
	assert_non_null(rj_out_frame_own(f, guest, ROOM_PAGES));
	/* What is staged is nobody else's already. */
	assert_int_equal(rj_page_codec_stage(&codec, NULL), 0);
	staged = rj_out_frame_staging(f, 3);
	assert_ptr_equal(rj_out_frame_own(f, staged, 1), staged);
	free(guest);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_fresh_frame_is_empty),
		CASE(one_run_is_header_table_and_pages),
		CASE(adjacent_pages_of_a_kind_become_one_run),
		CASE(zero_runs_need_no_payload),
		CASE(adjacent_pages_of_the_same_word_become_one_run),
		CASE(a_word_needs_room_for_two_entries),
		CASE(words_beyond_their_limit_wait),
		CASE(pages_of_another_block_or_from_before_wait),
		CASE(raw_pages_beyond_the_payload_limit_wait),
		CASE(an_empty_frame_takes_as_much_as_fits),
		CASE(a_full_table_refuses_new_runs_but_extends_the_last),
		CASE(the_longest_payload_and_table_fit_one_gathered_send),
		CASE(runs_longer_than_the_wire_can_say_are_split),
		CASE(more_than_a_run_can_hold_goes_in_in_parts),
		CASE(a_fence_follows_the_pages),
		CASE(a_fence_may_come_alone),
		CASE(where_the_codec_copies_the_pages_are_summed),
		CASE(where_the_codec_copies_zero_runs_have_the_sum_of_nothing),
		CASE(pages_of_its_own_are_sent_as_they_were),
		CASE(there_is_room_of_its_own_for_a_frame),
	};

	return cmocka_run_group_tests_name("out_frame", tests, NULL, NULL);
}
