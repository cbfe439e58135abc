/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/forecast/outlook.h"

#define SECOND_US UINT64_C(1000000)

/* Rounds of 100 ms, all alike, from `from` to `to` seconds; how often it is
 * said. */
static unsigned rounds(struct rj_outlook *outlook, unsigned from, unsigned to,
		       uint64_t p90_us, bool fits)
{
	unsigned said = 0;

	for (uint64_t us = from * SECOND_US; us < to * SECOND_US; us += 100000)
		said += rj_outlook_look(outlook, p90_us, fits, us);
	return said;
}

static void a_limit_out_of_reach_is_told_after_some_seconds(void **state)
{
	struct rj_outlook outlook = { 0 };

	(void)state;
	assert_int_equal(rounds(&outlook, 1, 5, 20000, false), 0);
	assert_int_equal(outlook.needed_us, 0);
	assert_int_equal(rounds(&outlook, 5, 8, 20000, false), 1);
	assert_int_equal(outlook.needed_us, 22100);
}

/* Ten minutes: not a line each round. */
static void it_is_told_more_and_more_rarely(void **state)
{
	struct rj_outlook outlook = { 0 };

	(void)state;
	assert_in_range(rounds(&outlook, 1, 601, 20000, false), 5, 8);
}

static void what_comes_nearer_is_not_out_of_reach(void **state)
{
	struct rj_outlook outlook = { 0 };

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(rounds(&outlook, 4 * i + 1, 4 * i + 5,
					20000000 >> i, false),
				 0);
	assert_int_equal(outlook.needed_us, 0);
}

static void a_pause_that_fits_begins_it_all_again(void **state)
{
	struct rj_outlook outlook = { 0 };

	(void)state;
	assert_int_equal(rounds(&outlook, 1, 8, 20000, false), 1);
	assert_int_equal(rounds(&outlook, 8, 9, 1000, true), 0);
	assert_int_equal(outlook.needed_us, 0);
	assert_int_equal(rounds(&outlook, 9, 13, 20000, false), 0);
	assert_int_equal(rounds(&outlook, 13, 18, 20000, false), 1);
}

/* A pause of long ago is no promise. */
static void what_would_do_is_what_was_seen_lately(void **state)
{
	struct rj_outlook outlook = { 0 };

	(void)state;
	(void)rounds(&outlook, 1, 10, 20000, false);
	(void)rounds(&outlook, 10, 30, 50000, false);
	assert_int_equal(outlook.needed_us, 55100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_limit_out_of_reach_is_told_after_some_seconds),
		cmocka_unit_test(it_is_told_more_and_more_rarely),
		cmocka_unit_test(what_comes_nearer_is_not_out_of_reach),
		cmocka_unit_test(a_pause_that_fits_begins_it_all_again),
		cmocka_unit_test(what_would_do_is_what_was_seen_lately),
	};

	return cmocka_run_group_tests_name("outlook", tests, NULL, NULL);
}
