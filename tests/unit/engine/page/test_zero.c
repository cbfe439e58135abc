/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "engine/page/zero.h"
#include "ramjet.h"

/* A page between others, as guest memory is. */
static _Alignas(RAMJET_PAGE_BYTES) uint8_t pages[3 * RAMJET_PAGE_BYTES];
static uint8_t *const page = pages + RAMJET_PAGE_BYTES;

static void a_page_of_zeros_is_zero(void **state)
{
	(void)state;
	memset(pages, 0, sizeof(pages));
	assert_true(rj_page_is_zero(page));
}

static void what_lies_around_the_page_does_not_count(void **state)
{
	(void)state;
	memset(pages, 0xff, sizeof(pages));
	memset(page, 0, RAMJET_PAGE_BYTES);
	assert_true(rj_page_is_zero(page));
}

static void one_bit_anywhere_is_seen(void **state)
{
	(void)state;
	memset(pages, 0, sizeof(pages));
	for (unsigned byte = 0; byte < RAMJET_PAGE_BYTES; byte++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			page[byte] = (uint8_t)(1u << bit);
			if (rj_page_is_zero(page))
				fail_msg("byte %u bit %u", byte, bit);
		}
		page[byte] = 0;
	}
	assert_true(rj_page_is_zero(page));
}

static void a_full_page_is_not_zero(void **state)
{
	(void)state;
	memset(page, 0xff, RAMJET_PAGE_BYTES);
	assert_false(rj_page_is_zero(page));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_of_zeros_is_zero),
		cmocka_unit_test(what_lies_around_the_page_does_not_count),
		cmocka_unit_test(one_bit_anywhere_is_seen),
		cmocka_unit_test(a_full_page_is_not_zero),
	};

	return cmocka_run_group_tests_name("zero", tests, NULL, NULL);
}
