/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "engine/page/cut.h"

#define PAGES 24u

static _Alignas(RAMJET_PAGE_BYTES) uint8_t memory[PAGES * RAMJET_PAGE_BYTES];

/* One letter a page. */
static void fill(const char *pages)
{
	memset(memory, 0, sizeof(memory));
	for (unsigned i = 0; pages[i]; i++)
		if (pages[i] != '0')
			memory[i * RAMJET_PAGE_BYTES + 100 * i] = 1;
}

static const struct rj_reduction words = { .kinds = 1u << RJ_RUN_WORD };
static struct rj_page_codec codec;

static void expect(uint64_t page, uint64_t end, uint32_t count,
		   enum rj_run_kind kind)
{
	enum rj_run_kind got;

	assert_int_equal(rj_page_cut(&codec, memory, page, end, &got), count);
	assert_int_equal(got, kind);
}

static void pages_are_cut_where_zero_begins_and_ends(void **state)
{
	(void)state;
	fill("xx000x0xxxxxxxxxxxxxx000");
	expect(0, PAGES, 2, RJ_RUN_RAW);
	expect(2, PAGES, 3, RJ_RUN_ZERO);
	expect(5, PAGES, 1, RJ_RUN_RAW);
	expect(6, PAGES, 1, RJ_RUN_ZERO);
	expect(7, PAGES, 14, RJ_RUN_RAW);
	expect(21, PAGES, 3, RJ_RUN_ZERO);
}

static void no_run_goes_beyond_its_end(void **state)
{
	(void)state;
	fill("xxxx0000xxxxxxxxxxxxxxxx");
	expect(0, 1, 1, RJ_RUN_RAW);
	expect(1, 3, 2, RJ_RUN_RAW);
	expect(4, 6, 2, RJ_RUN_ZERO);
	expect(7, 8, 1, RJ_RUN_ZERO);
}

/* Page `page` is that word, over and over. */
static void fill_word(uint64_t page, uint64_t word)
{
	for (unsigned i = 0; i < RAMJET_PAGE_BYTES; i += sizeof(word))
		memcpy(memory + page * RAMJET_PAGE_BYTES + i, &word,
		       sizeof(word));
}

static void pages_of_one_word_are_cut_by_it(void **state)
{
	(void)state;
	fill("x00xxxxxx0xxxxxxxxxxxxxx");
	for (uint64_t page = 3; page < 6; page++)
		fill_word(page, 7);
	fill_word(6, UINT64_C(7) << 56);
	fill_word(7, UINT64_MAX);
	fill_word(8, UINT64_MAX);
	codec.reduction = &words;
	expect(0, PAGES, 1, RJ_RUN_RAW);
	expect(1, PAGES, 2, RJ_RUN_ZERO);
	expect(3, PAGES, 3, RJ_RUN_WORD);
	assert_true(codec.word == 7);
	expect(6, PAGES, 1, RJ_RUN_WORD);
	assert_true(codec.word == UINT64_C(7) << 56);
	expect(7, PAGES, 2, RJ_RUN_WORD);
	assert_true(codec.word == UINT64_MAX);
	expect(7, 8, 1, RJ_RUN_WORD);
	expect(9, PAGES, 1, RJ_RUN_ZERO);
	expect(10, PAGES, 14, RJ_RUN_RAW);
	/* A target that has not said it takes them gets none. */
	codec.reduction = NULL;
	expect(3, PAGES, 6, RJ_RUN_RAW);
	codec.reduction =
		&(struct rj_reduction){ .kinds = ~(1u << RJ_RUN_WORD) };
	expect(3, 5, 2, RJ_RUN_RAW);
	codec.reduction = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_cut_where_zero_begins_and_ends),
		cmocka_unit_test(no_run_goes_beyond_its_end),
		cmocka_unit_test(pages_of_one_word_are_cut_by_it),
	};

	return cmocka_run_group_tests_name("page_cut", tests, NULL, NULL);
}
