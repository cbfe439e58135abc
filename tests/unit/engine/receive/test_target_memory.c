/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/page/coding.h"
#include "engine/page/run_table.h"
#include "engine/receive/target_memory.h"
#include "engine/wire/bytes.h"
#include "tests/unit/engine/guarded.h"
#include "tests/unit/engine/ops_memory.h"

#define PAGES 1100u

struct scene {
	struct guarded ram[2];
	struct rj_block blocks[2];
	struct rj_target_memory memory;
	struct rj_page_codec codec;
	uint8_t table[RJ_TABLE_BYTES_MAX];
	struct rj_frame frame;
	struct iovec iov[RJ_RUNS_MAX];
	bool untouched[RJ_RUNS_MAX];
	struct rj_scatter scatter;
	struct ramjet_error err;
	struct ops_memory own; /* block 1's, in one test */
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	int rc = s ? 0 : -1;

	for (unsigned i = 0; !rc && i < 2; i++) {
		rc = guarded_map(&s->ram[i], PAGES * RAMJET_PAGE_BYTES);
		s->blocks[i] = guarded_block(&s->ram[i]);
		s->blocks[i].flags = RAMJET_BLOCK_FRESH;
	}
	if (rc)
		return rc;
	s->blocks[1].name[3] = '1';
	s->scatter.iov = s->iov;
	s->scatter.untouched = s->untouched;
	*state = s;
	return rj_target_memory_init(&s->memory, s->blocks, 2, &s->err);
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_page_codec_done(&s->codec);
	rj_target_memory_done(&s->memory);
	assert_true(guarded_is_intact(&s->ram[1]));
	assert_false(atomic_load(&s->own.is_wrong));
	guarded_unmap(&s->ram[0]);
	guarded_unmap(&s->ram[1]);
	free(s);
	return 0;
}

static void begin(struct scene *s, uint16_t block)
{
	s->frame = (struct rj_frame){ .type = RJ_FRAME_PAGES, .block = block };
	s->err = (struct ramjet_error){ 0 };
}

static void add(struct scene *s, uint64_t page, uint32_t count,
		enum rj_run_kind kind)
{
	const struct rj_wire_run run = { page, count, kind };

	rj_run_encode(&run, s->table + s->frame.run_count++ * RJ_RUN_BYTES);
	if (kind == RJ_RUN_RAW)
		s->frame.payload_bytes += count * RAMJET_PAGE_BYTES;
}

static void add_word(struct scene *s, uint64_t page, uint32_t count,
		     uint64_t word)
{
	add(s, page, count, RJ_RUN_WORD);
	rj_put64(s->table + s->frame.run_count++ * RJ_RUN_BYTES, word);
}

static int place(struct scene *s)
{
	return rj_target_memory_place(&s->memory, &s->codec, &s->frame,
				      s->table, &s->scatter, &s->err);
}

/* What the channel would do with the iovec. */
static void receive(struct scene *s, uint8_t byte)
{
	for (unsigned i = 0; i < s->scatter.count; i++)
		memset(s->iov[i].iov_base, byte, s->iov[i].iov_len);
}

static void expect_page(struct scene *s, unsigned block, uint64_t page,
			uint8_t byte)
{
	const uint8_t *at = s->ram[block].host + page * RAMJET_PAGE_BYTES;

	for (unsigned i = 0; i < RAMJET_PAGE_BYTES; i++)
		assert_int_equal(at[i], byte);
}

static void raw_runs_go_where_they_say(void **state)
{
	struct scene *s = *state;

	begin(s, 1);
	add(s, 0, 2, RJ_RUN_RAW);
	add(s, 2, 3, RJ_RUN_ZERO);
	add(s, 700, 1, RJ_RUN_RAW);
	add(s, PAGES - 5, 5, RJ_RUN_RAW);
	assert_int_equal(place(s), 0);
	assert_int_equal(s->scatter.count, 3);
	assert_int_equal(s->scatter.pages[RJ_RUN_RAW], 8);
	assert_int_equal(s->scatter.pages[RJ_RUN_ZERO], 3);
	assert_ptr_equal(s->iov[0].iov_base, s->ram[1].host);
	assert_int_equal(s->iov[0].iov_len, 2 * RAMJET_PAGE_BYTES);
	assert_ptr_equal(s->iov[1].iov_base,
			 s->ram[1].host + 700 * RAMJET_PAGE_BYTES);
	assert_ptr_equal(s->iov[2].iov_base,
			 s->ram[1].host + (PAGES - 5) * RAMJET_PAGE_BYTES);
	assert_int_equal(s->iov[2].iov_len, 5 * RAMJET_PAGE_BYTES);
	receive(s, 0xff);
	assert_true(guarded_is_intact(&s->ram[1]));
	assert_int_equal(guarded_resident(&s->ram[0], 0, PAGES), 0);
}

static void the_most_runs_a_frame_can_have_are_placed(void **state)
{
	struct scene *s = *state;

	begin(s, 0);
	for (uint64_t i = 0; i < RJ_RUNS_MAX; i++)
		add(s, i, 1, RJ_RUN_RAW);
	assert_int_equal(place(s), 0);
	assert_int_equal(s->scatter.count, RJ_RUNS_MAX);
	assert_int_equal(s->scatter.pages[RJ_RUN_RAW], RJ_RUNS_MAX);
}

static void zero_runs_leave_untouched_memory_untouched(void **state)
{
	struct scene *s = *state;

	begin(s, 0);
	add(s, 0, PAGES, RJ_RUN_ZERO);
	assert_int_equal(place(s), 0);
	assert_int_equal(s->scatter.count, 0);
	assert_int_equal(s->scatter.pages[RJ_RUN_ZERO], PAGES);
	assert_int_equal(guarded_resident(&s->ram[0], 0, PAGES), 0);
}

static void zero_runs_clear_what_was_received(void **state)
{
	struct scene *s = *state;

	begin(s, 0);
	add(s, 0, 4, RJ_RUN_RAW);
	add(s, 510, 4, RJ_RUN_RAW);
	assert_int_equal(place(s), 0);
	receive(s, 0x77);
	begin(s, 0);
	add(s, 1, 2, RJ_RUN_ZERO);
	add(s, 400, 112, RJ_RUN_ZERO);
	assert_int_equal(place(s), 0);
	expect_page(s, 0, 0, 0x77);
	expect_page(s, 0, 1, 0);
	expect_page(s, 0, 2, 0);
	expect_page(s, 0, 3, 0x77);
	expect_page(s, 0, 510, 0);
	expect_page(s, 0, 511, 0);
	expect_page(s, 0, 512, 0x77);
	/* Of the 112, only what had come. */
	assert_int_equal(guarded_resident(&s->ram[0], 400, 110), 0);
}

static void a_page_may_come_go_and_come_again(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < 3; i++) {
		begin(s, 0);
		add(s, 9, 1, RJ_RUN_RAW);
		assert_int_equal(place(s), 0);
		receive(s, 0x55);
		expect_page(s, 0, 9, 0x55);
		begin(s, 0);
		add(s, 9, 1, RJ_RUN_ZERO);
		assert_int_equal(place(s), 0);
		expect_page(s, 0, 9, 0);
	}
}

static void what_has_not_come_is_not_built_on(void **state)
{
	struct scene *s = *state;

	begin(s, 1);
	add(s, 0, 4, RJ_RUN_RAW);
	assert_int_equal(place(s), 0);
	receive(s, 0x77);
	begin(s, 1);
	add(s, 1, 3, RJ_RUN_SAME);
	assert_int_equal(place(s), 0);
	expect_page(s, 1, 1, 0x77);
	begin(s, 1);
	add(s, 2, 5, RJ_RUN_SAME);
	assert_int_equal(place(s), -EPROTO);
	assert_string_equal(s->err.message,
			    "block ram1, page 4: a run of kind same, wanted "
			    "the page itself first");
}

#define WORD_OF_77 UINT64_C(0x7777777777777777)

static void expect_words(struct scene *s, unsigned block, uint64_t page,
			 uint64_t word)
{
	const uint8_t *at = s->ram[block].host + page * RAMJET_PAGE_BYTES;

	for (unsigned i = 0; i < RAMJET_PAGE_BYTES; i += 8)
		assert_true(rj_get64(at + i) == word);
}

/* With the table; they have arrived then, as raw ones have. */
static void word_runs_fill_their_pages_and_no_others(void **state)
{
	struct scene *s = *state;

	begin(s, 0);
	add_word(s, 3, 2, 0x1122334455667788);
	add_word(s, 5, 1, UINT64_C(1) << 63);
	add(s, 6, 1, RJ_RUN_RAW);
	add_word(s, PAGES - 40, 40, WORD_OF_77);
	assert_int_equal(place(s), 0);
	assert_int_equal(s->scatter.count, 1);
	assert_int_equal(s->scatter.pages[RJ_RUN_WORD], 43);
	receive(s, 9);
	assert_int_equal(rj_page_place(&s->codec, &s->err), 0);
	expect_words(s, 0, 3, 0x1122334455667788);
	expect_words(s, 0, 4, 0x1122334455667788);
	expect_words(s, 0, 5, UINT64_C(1) << 63);
	expect_page(s, 0, 6, 9);
	for (uint64_t page = PAGES - 40; page < PAGES; page++)
		expect_page(s, 0, page, 0x77);
	assert_int_equal(guarded_resident(&s->ram[0], 0, PAGES), 44);
	assert_int_equal(rj_bitmap_count(&s->memory.received[0]), 44);
	assert_true(guarded_is_intact(&s->ram[0]));
	/* And go again. */
	begin(s, 0);
	add(s, 4, 2, RJ_RUN_ZERO);
	assert_int_equal(place(s), 0);
	expect_words(s, 0, 3, 0x1122334455667788);
	expect_page(s, 0, 4, 0);
	expect_page(s, 0, 5, 0);
	expect_page(s, 0, 6, 9);
}

/* ---- what must be refused, with nothing done ---- */

static void refuse(struct scene *s)
{
	/* A zero run that was legal by itself may not have been applied. */
	memset(s->ram[0].host, 0x11, RAMJET_PAGE_BYTES);
	(void)rj_bitmap_set_run(&s->memory.received[0], 0, 1);
	assert_int_equal(place(s), -EPROTO);
	assert_int_equal(s->err.code, -EPROTO);
	assert_true(*s->err.message);
	expect_page(s, 0, 0, 0x11);
	assert_int_equal(guarded_resident(&s->ram[0], 1, PAGES - 1), 0);
	assert_int_equal(rj_bitmap_count(&s->memory.received[0]), 1);
	assert_true(guarded_is_intact(&s->ram[0]));
	assert_true(guarded_is_intact(&s->ram[1]));
}

static void a_block_that_is_not_there_is_refused(void **state)
{
	struct scene *s = *state;

	begin(s, 2);
	add(s, 0, 1, RJ_RUN_ZERO);
	refuse(s);
	begin(s, UINT16_MAX);
	add(s, 0, 1, RJ_RUN_RAW);
	refuse(s);
}

static void runs_beyond_the_block_are_refused(void **state)
{
	static const struct {
		uint64_t page;
		uint32_t count;
	} runs[] = {
		{ PAGES, 1 },
		{ PAGES - 1, 2 },
		{ 1, PAGES },
		{ 1, RJ_RUN_COUNT_MAX },
		{ (UINT64_C(1) << RJ_RUN_PAGE_BITS) - 1, 1 },
		{ (UINT64_C(1) << RJ_RUN_PAGE_BITS) - 1, RJ_RUN_COUNT_MAX },
	};
	struct scene *s = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(runs); i++) {
		begin(s, 0);
		add(s, 0, 1, RJ_RUN_ZERO);
		add(s, runs[i].page, runs[i].count, RJ_RUN_ZERO);
		refuse(s);
		begin(s, 0);
		add(s, 0, 1, RJ_RUN_ZERO);
		add(s, runs[i].page, runs[i].count, RJ_RUN_RAW);
		refuse(s);
	}
}

static void runs_that_overlap_or_descend_are_refused(void **state)
{
	struct scene *s = *state;

	begin(s, 0);
	add(s, 0, 1, RJ_RUN_ZERO);
	add(s, 5, 2, RJ_RUN_RAW);
	add(s, 6, 1, RJ_RUN_RAW);
	refuse(s);
	begin(s, 0);
	add(s, 0, 1, RJ_RUN_ZERO);
	add(s, 0, 1, RJ_RUN_RAW);
	refuse(s);
	begin(s, 0);
	add(s, 0, 1, RJ_RUN_ZERO);
	add(s, 9, 1, RJ_RUN_RAW);
	add(s, 3, 1, RJ_RUN_ZERO);
	refuse(s);
}

static void runs_of_nothing_or_of_no_kind_are_refused(void **state)
{
	struct scene *s = *state;

	begin(s, 0);
	add(s, 0, 1, RJ_RUN_ZERO);
	add(s, 5, 1, RJ_RUN_ZERO);
	s->table[RJ_RUN_BYTES + 5] = 0; /* the count */
	refuse(s);
	for (unsigned kind = RJ_RUN_SAME + 1; kind < 16; kind++) {
		begin(s, 0);
		add(s, 0, 1, RJ_RUN_ZERO);
		add(s, 5, 1, RJ_RUN_ZERO);
		s->table[2 * RJ_RUN_BYTES - 1] = (uint8_t)(kind << 4);
		refuse(s);
	}
}

static void words_that_are_none_are_refused(void **state)
{
	struct scene *s = *state;

	begin(s, 0);
	add(s, 0, 1, RJ_RUN_ZERO);
	add_word(s, 5, 2, 7);
	add_word(s, 7, 2, 0);
	refuse(s);
	begin(s, 0);
	add(s, 0, 1, RJ_RUN_ZERO);
	add_word(s, 5, 2, 7);
	add(s, 7, 1, RJ_RUN_WORD);
	refuse(s);
	begin(s, 0);
	add(s, 0, 1, RJ_RUN_ZERO);
	add_word(s, PAGES - 1, 2, 7);
	refuse(s);
}

static void a_payload_that_does_not_match_is_refused(void **state)
{
	struct scene *s = *state;

	for (int off = -1; off <= 1; off += 2) {
		begin(s, 0);
		add(s, 0, 1, RJ_RUN_ZERO);
		add(s, 5, 3, RJ_RUN_RAW);
		s->frame.payload_bytes += off * (int)RAMJET_PAGE_BYTES;
		refuse(s);
	}
	begin(s, 0);
	add(s, 0, 1, RJ_RUN_ZERO);
	s->frame.payload_bytes = RAMJET_PAGE_BYTES;
	refuse(s);
}

/* ---- blocks that held something before ---- */

static void clear_all(struct scene *s)
{
	const int event_fd = eventfd(0, EFD_CLOEXEC);
	eventfd_t count;

	assert_int_equal(
		rj_target_memory_clear(&s->memory, NULL, 1, event_fd, &s->err),
		0);
	while (!rj_clearing_is_over(&s->memory.clearing))
		assert_int_equal(eventfd_read(event_fd, &count), 0);
	rj_clearing_stop(&s->memory.clearing);
	(void)close(event_fd);
}

static void clearing_zeroes_what_is_there_and_touches_nothing_else(void **state)
{
	struct scene *s = *state;

	s->blocks[0].flags = 0;
	guarded_fill(&s->ram[0], 3, 1);
	guarded_fill(&s->ram[0], PAGES - 1, 1);
	guarded_fill(&s->ram[1], 3, 1);
	clear_all(s);
	expect_page(s, 0, 3, 0);
	expect_page(s, 0, PAGES - 1, 0);
	assert_int_equal(guarded_resident(&s->ram[0], 4, PAGES - 5), 0);
	assert_true(guarded_is_intact(&s->ram[0]));
	/* The other one is said to be fresh: it is not looked at. */
	assert_int_not_equal(s->ram[1].host[3 * RAMJET_PAGE_BYTES], 0);
}

static void what_has_arrived_is_not_cleared(void **state)
{
	struct scene *s = *state;

	s->blocks[0].flags = 0;
	guarded_fill(&s->ram[0], 3, 1);
	guarded_fill(&s->ram[0], 600, 1);
	begin(s, 0);
	add(s, 3, 2, RJ_RUN_RAW);
	assert_int_equal(place(s), 0);
	receive(s, 0x66);
	clear_all(s);
	expect_page(s, 0, 3, 0x66);
	expect_page(s, 0, 4, 0x66);
	expect_page(s, 0, 600, 0);
}

static void fresh_blocks_need_no_clearing(void **state)
{
	struct scene *s = *state;

	assert_int_equal(
		rj_target_memory_clear(&s->memory, NULL, 1, -1, &s->err), 0);
	assert_true(rj_clearing_is_over(&s->memory.clearing));
	assert_int_equal(s->memory.clearing.started, 0);
}

/* ---- memory that is not mapped here -------------------------------------- */

static void hide(struct scene *s)
{
	s->own.ram = &s->ram[1];
	s->blocks[1].host = NULL;
	s->blocks[1].foreign = &ops_memory_ops;
	s->blocks[1].foreign_user = &s->own;
}

static unsigned calls(const struct scene *s)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < OPS_CALLS; i++)
		sum += atomic_load(&s->own.calls[i]);
	return sum;
}

/* A frame's pages are written once they are all there, with one call. */
static void hidden_pages_are_written_at_once(void **state)
{
	struct scene *s = *state;

	hide(s);
	begin(s, 1);
	add(s, 0, 2, RJ_RUN_RAW);
	add(s, 2, 3, RJ_RUN_ZERO);
	add(s, 700, 1, RJ_RUN_RAW);
	add(s, PAGES - 5, 5, RJ_RUN_RAW);
	assert_int_equal(place(s), 0);
	assert_int_equal(s->scatter.count, 3);
	assert_int_equal(s->scatter.untouched_count, 0);
	assert_int_equal(s->scatter.pages[RJ_RUN_RAW], 8);
	receive(s, 7);
	/* Should the frame turn out to be damaged, nothing has come of it. */
	assert_int_equal(calls(s), 0);
	assert_int_equal(guarded_resident(&s->ram[1], 0, PAGES), 0);
	assert_int_equal(rj_page_place(&s->codec, &s->err), 0);
	assert_int_equal(calls(s), 1);
	assert_int_equal(atomic_load(&s->own.pages[OPS_WRITE]), 8);
	assert_int_equal(guarded_resident(&s->ram[1], 0, PAGES), 8);
	expect_page(s, 1, 1, 7);
	expect_page(s, 1, 700, 7);
	expect_page(s, 1, PAGES - 1, 7);
}

static void hidden_pages_are_filled_with_words(void **state)
{
	struct scene *s = *state;

	hide(s);
	begin(s, 1);
	add_word(s, 1, 2, 0x1122334455667788);
	add_word(s, PAGES - 40, 40, WORD_OF_77);
	assert_int_equal(place(s), 0);
	assert_int_equal(s->scatter.count, 0);
	assert_int_equal(rj_page_place(&s->codec, &s->err), 0);
	assert_int_equal(atomic_load(&s->own.pages[OPS_WRITE]), 42);
	expect_words(s, 1, 2, 0x1122334455667788);
	for (uint64_t page = PAGES - 40; page < PAGES; page++)
		expect_page(s, 1, page, 0x77);
	assert_int_equal(rj_bitmap_count(&s->memory.received[1]), 42);
	/* Writing may fail. */
	s->own.fails_at[OPS_WRITE] = atomic_load(&s->own.calls[OPS_WRITE]) + 2;
	begin(s, 1);
	add_word(s, 1, 40, 5);
	assert_int_equal(place(s), -EREMOTEIO);
	expect_words(s, 1, 16, 5);
	expect_page(s, 1, 17, 0);
}

/* Zeros, where something is; where nothing came they are for free. */
static void hidden_pages_are_cleared(void **state)
{
	struct scene *s = *state;

	hide(s);
	begin(s, 1);
	add(s, 0, 4, RJ_RUN_RAW);
	assert_int_equal(place(s), 0);
	receive(s, 7);
	assert_int_equal(rj_page_place(&s->codec, &s->err), 0);
	begin(s, 1);
	add(s, 2, 600, RJ_RUN_ZERO);
	assert_int_equal(place(s), 0);
	assert_int_equal(s->scatter.count, 0);
	assert_int_equal(calls(s), 2);
	assert_int_equal(atomic_load(&s->own.pages[OPS_CLEAR]), 2);
	expect_page(s, 1, 1, 7);
	expect_page(s, 1, 2, 0);
	expect_page(s, 1, 3, 0);
}

static void nothing_outside_a_hidden_block_is_named(void **state)
{
	struct scene *s = *state;

	hide(s);
	begin(s, 1);
	add(s, 0, 1, RJ_RUN_RAW);
	add(s, PAGES - 1, 2, RJ_RUN_RAW);
	assert_int_equal(place(s), -EPROTO);
	begin(s, 1);
	add(s, 5, 1, RJ_RUN_RAW);
	add(s, 4, 1, RJ_RUN_ZERO);
	assert_int_equal(place(s), -EPROTO);
	assert_int_equal(calls(s), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(raw_runs_go_where_they_say),
		CASE(the_most_runs_a_frame_can_have_are_placed),
		CASE(zero_runs_leave_untouched_memory_untouched),
		CASE(zero_runs_clear_what_was_received),
		CASE(a_page_may_come_go_and_come_again),
		CASE(what_has_not_come_is_not_built_on),
		CASE(word_runs_fill_their_pages_and_no_others),
		CASE(a_block_that_is_not_there_is_refused),
		CASE(runs_beyond_the_block_are_refused),
		CASE(runs_that_overlap_or_descend_are_refused),
		CASE(runs_of_nothing_or_of_no_kind_are_refused),
		CASE(words_that_are_none_are_refused),
		CASE(a_payload_that_does_not_match_is_refused),
		CASE(clearing_zeroes_what_is_there_and_touches_nothing_else),
		CASE(what_has_arrived_is_not_cleared),
		CASE(fresh_blocks_need_no_clearing),
		CASE(hidden_pages_are_written_at_once),
		CASE(hidden_pages_are_filled_with_words),
		CASE(hidden_pages_are_cleared),
		CASE(nothing_outside_a_hidden_block_is_named),
	};

	return cmocka_run_group_tests_name("target_memory", tests, NULL, NULL);
}
