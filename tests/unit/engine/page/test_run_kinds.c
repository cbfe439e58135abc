/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "engine/page/run_table.h"
#include "tests/unit/engine/guarded.h"

static void the_kinds_there_are_have_names(void **state)
{
	(void)state;
	assert_string_equal(rj_run_row(RJ_RUN_RAW)->name, "raw");
	assert_string_equal(rj_run_row(RJ_RUN_ZERO)->name, "zero");
	assert_string_equal(rj_run_row(RJ_RUN_WORD)->name, "word");
	for (unsigned kind = RJ_RUN_SAME + 1; kind < 100; kind++)
		assert_null(rj_run_row(kind));
}

static void each_row_says_what_is_done_with_its_payload(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < RJ_RUN_KINDS; kind++) {
		const struct rj_run_row *row = rj_run_row(kind);

		if (!row)
			continue;
		assert_true(!row->group || row->fills);
		if (row->group) {
			assert_false(row->in_place || row->encode ||
				     row->check || row->place);
			assert_int_equal(row->told,
					 row->group == RJ_GROUP_BEGINS);
			continue;
		}
		/* In place, or by functions. */
		assert_int_equal(row->in_place, !row->place);
		assert_int_equal(row->encode && row->place,
				 rj_run_row_has_payload(row) && !row->in_place);
		assert_true(!row->check || row->place);
		assert_false(row->told && row->word);
		if (row->in_place)
			assert_int_equal(row->page_bytes, RAMJET_PAGE_BYTES);
		assert_true(row->page_bytes <= RAMJET_PAGE_BYTES);
		assert_true(row->counter <= sizeof(struct rj_counters) -
						    sizeof(_Atomic uint64_t));
	}
}

static uint64_t payload_of(enum rj_run_kind kind, uint32_t count)
{
	const struct rj_wire_run run = { 3, count, kind };
	uint8_t table[2 * RJ_RUN_BYTES] = { 0 };

	rj_run_encode(&run, table);
	return rj_run_payload_bytes(table, 0, &run);
}

static void a_run_has_the_payload_its_row_says(void **state)
{
	(void)state;
	assert_true(payload_of(RJ_RUN_RAW, 1) == 4096);
	assert_true(payload_of(RJ_RUN_RAW, 17) == 17 * 4096);
	assert_true(payload_of(RJ_RUN_RAW, RJ_RUN_COUNT_MAX) ==
		    UINT64_C(0xfffff000));
	assert_true(payload_of(RJ_RUN_ZERO, 1) == 0);
	assert_true(payload_of(RJ_RUN_ZERO, RJ_RUN_COUNT_MAX) == 0);
	assert_true(payload_of(RJ_RUN_WORD, RJ_RUN_COUNT_MAX) == 0);
	assert_int_equal(rj_run_entries(RJ_RUN_RAW), 1);
	assert_int_equal(rj_run_entries(RJ_RUN_ZERO), 1);
	assert_int_equal(rj_run_entries(RJ_RUN_WORD), 2);
	assert_true(rj_run_row_has_payload(rj_run_row(RJ_RUN_RAW)));
	assert_false(rj_run_row_has_payload(rj_run_row(RJ_RUN_ZERO)));
	assert_true(rj_run_row_grows(rj_run_row(RJ_RUN_RAW)));
	assert_true(rj_run_row_grows(rj_run_row(RJ_RUN_ZERO)));
	assert_true(rj_run_row_grows(rj_run_row(RJ_RUN_WORD)));
}

static void pages_count_as_their_row_says(void **state)
{
	uint64_t pages[RJ_RUN_KINDS] = {
		[RJ_RUN_RAW] = 5, [RJ_RUN_ZERO] = 70, [RJ_RUN_WORD] = 9
	};
	static struct rj_block_counters by_block[2];
	/* Not on the stack, where a sanitizer forgets how it is aligned. */
	static struct rj_counters counters;

	(void)state;
	counters.by_block = by_block;
	rj_run_rows_count_in(&counters, 1, pages);
	pages[RJ_RUN_RAW] = 0;
	rj_run_rows_count(&counters, pages);
	assert_int_equal(rj_counter(&counters.normal_pages), 5);
	assert_int_equal(rj_counter(&counters.zero_pages), 140);
	assert_int_equal(rj_counter(&counters.word_pages), 18);
	assert_int_equal(rj_counted_full(&counters), 5);
	assert_int_equal(rj_counted_empty(&counters), 158);
	assert_int_equal(rj_counter(&counters.payload_bytes), 0);
	/* Of a block: what holds something, and what does not. */
	assert_int_equal(rj_counter(&by_block[1].normal_pages), 14);
	assert_int_equal(rj_counter(&by_block[1].zero_pages), 70);
	assert_int_equal(rj_counter(&by_block[0].normal_pages), 0);
}

/* Pages 600 to 602 were received: of the others nothing is touched. */
static void zero_runs_clear_what_was_received(void **state)
{
	struct guarded ram = { 0 };
	struct rj_bitmap received = { 0 };
	struct rj_block block;
	const struct rj_run_piece piece = {
		.block = &block,
		.received = &received,
		.run = { 1, 601, RJ_RUN_ZERO },
	};

	(void)state;
	assert_int_equal(guarded_map(&ram, 700 * RAMJET_PAGE_BYTES), 0);
	block = guarded_block(&ram);
	assert_int_equal(rj_bitmap_init(&received, 700, NULL), 0);
	(void)rj_bitmap_set_run(&received, 600, 3);
	memset(ram.host + 600 * RAMJET_PAGE_BYTES, 7, 3 * RAMJET_PAGE_BYTES);
	assert_int_equal(rj_run_row(RJ_RUN_ZERO)->place(NULL, &piece, NULL), 0);
	for (unsigned i = 0; i < 3 * RAMJET_PAGE_BYTES; i++)
		assert_int_equal(ram.host[600 * RAMJET_PAGE_BYTES + i],
				 i < 2 * RAMJET_PAGE_BYTES ? 0 : 7);
	assert_int_equal(guarded_resident(&ram, 0, 600), 0);
	assert_true(guarded_is_intact(&ram));
	rj_bitmap_done(&received);
	guarded_unmap(&ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kinds_there_are_have_names),
		cmocka_unit_test(each_row_says_what_is_done_with_its_payload),
		cmocka_unit_test(a_run_has_the_payload_its_row_says),
		cmocka_unit_test(pages_count_as_their_row_says),
		cmocka_unit_test(zero_runs_clear_what_was_received),
	};

	return cmocka_run_group_tests_name("page_run_kinds", tests, NULL, NULL);
}
