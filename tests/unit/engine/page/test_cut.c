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

static void expect(uint64_t page, uint64_t end, uint32_t count,
		   enum rj_run_kind kind)
{
	struct rj_page_codec codec = { 0 };
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_cut_where_zero_begins_and_ends),
		cmocka_unit_test(no_run_goes_beyond_its_end),
	};

	return cmocka_run_group_tests_name("page_cut", tests, NULL, NULL);
}
