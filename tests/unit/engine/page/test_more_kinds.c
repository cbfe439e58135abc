/* SPDX-License-Identifier: BSD-3-Clause */
/* A kind of run is a row of the table and what it names: with others than the
 * engine has, everything else is as it was. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/page/coding.h"
#include "engine/send/out_frame.h"
#include "engine/wire/bytes.h"
#include "tests/unit/engine/fake_source.h"
#include "tests/unit/engine/page/more_kinds.h"

/* ---- tables -------------------------------------------------------------- */

static struct ramjet_error err;

/* One run of 2 pages, and the entry after it if it is not 0. */
static int check(enum more_kinds kind, uint64_t entry, uint32_t payload)
{
	const struct rj_wire_run run = { 5, 2, (enum rj_run_kind)kind };
	const struct rj_frame frame = { .type = RJ_FRAME_PAGES,
					.run_count = entry ? 2 : 1,
					.payload_bytes = payload };
	uint8_t table[2 * RJ_RUN_BYTES];

	rj_run_encode(&run, table);
	rj_put64(table + RJ_RUN_BYTES, entry);
	err = (struct ramjet_error){ 0 };
	return rj_table_check(&frame, table, 100, &err);
}

static void a_payload_may_be_said_in_three_ways(void **state)
{
	uint8_t told[RJ_RUN_BYTES];

	(void)state;
	assert_int_equal(check(MORE_WORD, 0, 16), 0);
	assert_int_equal(check(MORE_WORD, 0, 8), -EPROTO);
	assert_string_equal(err.message, "PAGES frame: payload of 8 bytes, its "
					 "runs name 16");
	assert_int_equal(check(MORE_COUNTED, 0, 8), 0);
	assert_int_equal(check(MORE_COUNTED, 0, 16), -EPROTO);
	rj_run_encode_told((enum rj_run_kind)MORE_SHORT, 777, told);
	assert_int_equal(check(MORE_SHORT, rj_get64(told), 777), 0);
	assert_int_equal(check(MORE_SHORT, rj_get64(told), 776), -EPROTO);
}

static void what_is_told_must_be_possible(void **state)
{
	const uint64_t kind = (uint64_t)MORE_SHORT << 60;

	(void)state;
	assert_int_equal(check(MORE_SHORT, 0, 777), -EPROTO);
	assert_string_equal(err.message, "run 0: the table ends, wanted its "
					 "payload's size");
	assert_int_equal(check(MORE_SHORT, kind | 8192, 8192), 0);
	assert_int_equal(check(MORE_SHORT, kind | 8193, 8193), -EPROTO);
	assert_string_equal(err.message,
			    "run 0: payload of 8193 bytes, wanted 1 to what "
			    "its 2 pages are");
	assert_int_equal(check(MORE_SHORT, kind, 0), -EPROTO);
	/* Another kind, or a bit too many: it may be a run. */
	assert_int_equal(
		check(MORE_SHORT, (kind ^ UINT64_C(1) << 60) | 777, 777),
		-EPROTO);
	assert_string_equal(err.message,
			    "run 0: entry 0xe000000000000309 after it, wanted "
			    "its payload's size");
	assert_int_equal(check(MORE_SHORT, kind | UINT64_C(1) << 32 | 777, 777),
			 -EPROTO);
}

static void kinds_without_a_row_are_refused_as_ever(void **state)
{
	(void)state;
	for (unsigned kind = MORE_COUNTED + 1; kind < MORE_SHORT; kind++)
		assert_int_equal(check(kind, 0, 0), -EPROTO);
	assert_string_equal(err.message, "run 0: unknown kind 14");
}

/* ---- frames -------------------------------------------------------------- */

struct scene {
	struct rj_page_codec codec;
	struct rj_out_frame frame;
	uint64_t memory[8][MORE_WORDS];
};

static int setup(void **state)
{
	struct scene *s = aligned_alloc(RAMJET_PAGE_BYTES,
					sizeof(*s) / 4096 * 4096 + 4096);

	memset(s, 0, sizeof(*s));
	rj_page_codec_init(&s->codec, RJ_OUT_PAYLOAD_BYTES);
	rj_out_frame_init(&s->frame, &s->codec, 1);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_page_codec_done(&s->codec);
	free(s);
	return 0;
}

static uint32_t add(struct scene *s, uint64_t page, uint32_t count,
		    enum more_kinds kind)
{
	return rj_out_frame_add(&s->frame, 0,
				(const uint8_t *)s->memory +
					page * RAMJET_PAGE_BYTES,
				page, count, (enum rj_run_kind)kind);
}

static void runs_grow_unless_their_payload_is_for_the_whole(void **state)
{
	struct scene *s = *state;
	uint64_t words[4] = { 11, 22, 33, 44 };

	for (unsigned i = 0; i < 4; i++)
		s->memory[i][0] = words[i];
	assert_int_equal(add(s, 0, 1, MORE_WORD), 1);
	assert_int_equal(add(s, 1, 3, MORE_WORD), 3);
	assert_int_equal(s->frame.run_count, 1);
	assert_int_equal(s->frame.iov_count, 2);
	assert_int_equal(s->frame.iov[1].iov_len, sizeof(words));
	assert_memory_equal(s->frame.iov[1].iov_base, words, sizeof(words));
	assert_int_equal(add(s, 4, 1, MORE_COUNTED), 1);
	assert_int_equal(add(s, 5, 1, MORE_COUNTED), 1);
	assert_int_equal(s->frame.run_count, 3);
	s->memory[6][0] = s->memory[7][1] = 5;
	assert_int_equal(add(s, 6, 1, MORE_SHORT), 1);
	assert_int_equal(add(s, 7, 1, MORE_SHORT), 1);
	/* Two entries each. */
	assert_int_equal(s->frame.run_count, 7);
	assert_int_equal(s->frame.payload_bytes, 32 + 2 * 8 + 10 + 18);
	assert_int_equal(s->frame.coded_bytes, s->frame.payload_bytes);
	assert_int_equal(s->frame.pages[MORE_WORD], 4);
	assert_int_equal(s->frame.pages[MORE_COUNTED], 2);
	assert_int_equal(s->frame.pages[MORE_SHORT], 2);
}

static void what_is_not_worth_it_goes_raw(void **state)
{
	struct scene *s = *state;

	s->memory[2][MORE_WORDS - 2] = 1;
	assert_int_equal(add(s, 1, 1, (enum more_kinds)RJ_RUN_RAW), 1);
	assert_int_equal(add(s, 2, 1, MORE_SHORT), 1);
	/* And continues the raw run before it. */
	assert_int_equal(s->frame.run_count, 1);
	assert_int_equal(s->frame.pages[RJ_RUN_RAW], 2);
	assert_int_equal(s->frame.pages[MORE_SHORT], 0);
	assert_ptr_equal(s->frame.iov[1].iov_base, s->memory[1]);
	assert_int_equal(s->frame.iov[1].iov_len, 2 * RAMJET_PAGE_BYTES);
	assert_int_equal(s->frame.coded_bytes, 0);
}

static void a_run_of_two_entries_needs_room_for_both(void **state)
{
	struct scene *s = *state;
	uint64_t page = 0;

	while (s->frame.run_count < RJ_OUT_RUNS_MAX - 1) {
		assert_int_equal(add(s, page, 1, (enum more_kinds)RJ_RUN_ZERO),
				 1);
		page += 2;
	}
	/* One entry is left, and that page is not looked at. */
	assert_int_equal(add(s, page, 1, MORE_SHORT), 0);
	assert_int_equal(add(s, page, 1, (enum more_kinds)RJ_RUN_ZERO), 1);
}

/* ---- whole moves --------------------------------------------------------- */

/* Of each kind some, by page; the rest stays as it is: zero, untouched, and
 * what no kind knows. */
static void write_kinds(const struct guarded *ram)
{
	const uint64_t pages = ram->bytes / RAMJET_PAGE_BYTES;

	for (uint64_t page = 0; page < pages; page++) {
		uint64_t *words =
			(uint64_t *)(void *)(ram->host +
					     page * RAMJET_PAGE_BYTES);
		const unsigned what = page % 16;
		uint64_t base = what < 4 ? page : MORE_BASE + page;
		unsigned shorter = 0;

		if (what && what < 7) {
			for (unsigned i = 0; i < MORE_WORDS; i++)
				words[i] = base;
		} else if (what == 8 || what == 9 || what == 11) {
			shorter = what == 11 ? 1
					     : 100 + (unsigned)(page * 7 % 400);
		}
		for (unsigned i = 0; i < shorter; i++)
			words[MORE_WORDS - 1 - i] = 0;
	}
}

static void run_from(struct move *move, enum move_over over,
		     enum vm_dirty dirty, bool zero_copy,
		     const struct ramjet_memory_ops *memory)
{
	const struct small_vm_options target = move_machine;
	struct small_vm_options is = move_machine;

	memset((void *)more_placed, 0, sizeof(more_placed));
	more_given_up = 0;
	is.dirty = dirty;
	is.memory = memory;
	move_init_two(move, &is, &target);
	small_vm_power_off(&move->source);
	write_kinds(&move->source.ram[0]);
	write_kinds(&move->source.ram[1]);
	small_vm_power_on(&move->source);
	if (over == MOVE_UNIX || over == MOVE_TCP)
		move->source_params.channels = 2;
	if (zero_copy)
		move->source_params.zero_copy = RAMJET_ZERO_COPY_ON;
	move_begin(move, over);
	move_await(move);
	move_expect_done(move);
	assert_true(move->target_info->verified);
}

static void run(struct move *move, enum move_over over, enum vm_dirty dirty,
		bool zero_copy)
{
	run_from(move, over, dirty, zero_copy, NULL);
}

static void a_guest_arrives_whole_by_all_kinds(void **state)
{
	struct move *move = *state;
	const struct ramjet_info *info;

	for (unsigned over = 0; over < MOVE_OVER_COUNT_; over++) {
		run(move, over, VM_DIRTY_NONE, false);
		info = move->info;
		assert_true(more_placed[MORE_WORD] > 100);
		assert_true(more_placed[MORE_COUNTED] > 100);
		assert_true(more_placed[MORE_SHORT] > 100);
		assert_true(more_given_up > 50);
		/* What was coded counts as its row says, and took less. */
		assert_true(info->ram_normal_pages * RAMJET_PAGE_BYTES >
			    info->ram_transferred_bytes + (2u << 20));
		assert_int_equal(info->ram_transferred_bytes,
				 move->target_info->ram_transferred_bytes);
		assert_int_equal(info->ram_normal_pages,
				 move->target_info->ram_normal_pages);
		assert_int_equal(info->ram_zero_pages,
				 move->target_info->ram_zero_pages);
		small_vm_expect_equal(&move->source, &move->target);
		move_done(move);
	}
}

static void a_guest_that_writes_meanwhile_arrives_whole(void **state)
{
	struct move *move = *state;

	for (unsigned i = 0; i < 4; i++) {
		run(move, i % 2 ? MOVE_TCP : MOVE_PIPE, VM_DIRTY_SHARED, i > 2);
		move_done(move);
	}
}

/* Pages are cut and coded where they were read to. */
static void a_guest_that_is_not_mapped_arrives_whole(void **state)
{
	struct move *move = *state;

	for (unsigned over = 0; over < MOVE_OVER_COUNT_; over++) {
		run_from(move, over, over % 2 ? VM_DIRTY_NONE : VM_DIRTY_SHARED,
			 false, &ops_memory_ops);
		assert_true(more_placed[MORE_SHORT] > 100);
		assert_true(more_given_up > 50);
		if (over % 2)
			small_vm_expect_equal(&move->source, &move->target);
		move_done(move);
	}
}

/* ---- payloads that cannot be --------------------------------------------- */

/* Page 2 is one word, page 3 short, with these bytes, and page 5 counted. */
static void send_bad(struct fake_source *s, const uint8_t *last, uint32_t bytes,
		     uint64_t base, const char *part)
{
	const struct rj_wire_run runs[] = {
		{ 2, 1, (enum rj_run_kind)MORE_WORD },
		{ 3, 1, (enum rj_run_kind)MORE_SHORT },
		{ 5, 2, (enum rj_run_kind)MORE_COUNTED },
	};
	struct rj_frame frame = { .type = RJ_FRAME_PAGES,
				  .run_count = 4,
				  .payload_bytes = 8 + bytes + 8 };
	uint8_t table[4 * RJ_RUN_BYTES], payload[64] = { 1 };
	char place[64];

	rj_run_encode(&runs[0], table);
	rj_run_encode(&runs[1], table + RJ_RUN_BYTES);
	rj_run_encode_told(runs[1].kind, bytes, table + 2 * RJ_RUN_BYTES);
	rj_run_encode(&runs[2], table + 3 * RJ_RUN_BYTES);
	memcpy(payload + 8, last, bytes);
	rj_put64(payload + 8 + bytes, base);
	fake_source_begin(s);
	fake_source_reach(s, STEP_ACTIVE);
	(void)fake_source_place(s, false, place);
	(void)fake_source_pages(s, &frame, table, payload);
	/* The next header is taken with the payload. */
	(void)fake_source_one_page(s, 1);
	fake_source_expect_refused(s, STEP_ACTIVE, -EPROTO, place);
	move_expect_error(&s->move.target_err, -EPROTO, part);
	/* Nor was anything else of that frame acted on. */
	assert_memory_equal(s->move.target.ram[0].host, fake_source_page,
			    RAMJET_PAGE_BYTES);
	for (unsigned page = 2; page < 7; page++)
		assert_int_not_equal(
			s->move.target.ram[0].host[page * RAMJET_PAGE_BYTES],
			1);
	fake_source_done(s);
}

static void a_payload_that_no_encoder_made_is_not_placed(void **state)
{
	const uint8_t cut[] = { 2, 0, 9, 9, 9, 9, 9, 9, 9, 9 };
	const uint8_t much[] = { 0, 0, 9 };
	const uint8_t good[] = { 1, 0, 9, 9, 9, 9, 9, 9, 9, 9 };

	send_bad(*state, cut, sizeof(cut), 5, "short run: cut short");
	send_bad(*state, much, sizeof(much), 5, "short run: bytes too many");
	send_bad(*state, good, sizeof(good), UINT64_MAX,
		 "counted run: it has no base");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_payload_may_be_said_in_three_ways),
		cmocka_unit_test(what_is_told_must_be_possible),
		cmocka_unit_test(kinds_without_a_row_are_refused_as_ever),
		cmocka_unit_test_setup_teardown(
			runs_grow_unless_their_payload_is_for_the_whole, setup,
			teardown),
		cmocka_unit_test_setup_teardown(what_is_not_worth_it_goes_raw,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_run_of_two_entries_needs_room_for_both, setup,
			teardown),
		MOVE_TEST(a_guest_arrives_whole_by_all_kinds),
		MOVE_TEST(a_guest_that_writes_meanwhile_arrives_whole),
		MOVE_TEST(a_guest_that_is_not_mapped_arrives_whole),
		FAKE_SOURCE_TEST(a_payload_that_no_encoder_made_is_not_placed),
	};

	return cmocka_run_group_tests_name("page_more_kinds", tests, NULL,
					   NULL);
}
