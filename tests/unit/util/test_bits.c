/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "util/bits.h"

static void spans_cover_exactly_their_bits(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 64; first++) {
		for (unsigned count = 1; first + count <= 64; count++) {
			uint64_t expected = 0;

			for (unsigned i = first; i < first + count; i++)
				expected |= UINT64_C(1) << i;
			assert_true(rj_bit_span(first, count) == expected);
		}
	}
}

static void division_rounds_up(void **state)
{
	(void)state;
	assert_int_equal(rj_div_round_up(0, 8), 0);
	assert_int_equal(rj_div_round_up(1, 8), 1);
	assert_int_equal(rj_div_round_up(8, 8), 1);
	assert_int_equal(rj_div_round_up(9, 8), 2);
	assert_true(rj_div_round_up(UINT64_MAX, 2) == UINT64_C(1) << 63);
}

static void powers_of_two_are_told(void **state)
{
	(void)state;
	assert_false(rj_is_power_of_two(0));
	assert_true(rj_is_power_of_two(1));
	assert_true(rj_is_power_of_two(4096));
	assert_false(rj_is_power_of_two(4097));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_cover_exactly_their_bits),
		cmocka_unit_test(division_rounds_up),
		cmocka_unit_test(powers_of_two_are_told),
	};

	return cmocka_run_group_tests_name("bits", tests, NULL, NULL);
}
