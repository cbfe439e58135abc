/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>

#include "engine/forecast/arrival.h"

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct rj_arrival));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void nothing_is_known_before_the_first_round_has_arrived(void **state)
{
	struct rj_arrival *a = *state;

	assert_true(rj_arrival_behind_us(a, 100) == UINT64_MAX);
	rj_arrival_opened(a, 0, 1000000, 0, 100);
	rj_arrival_left(a, 1, 4096, 0, 200);
	assert_true(rj_arrival_behind_us(a, 300) == UINT64_MAX);
	rj_arrival_applied(a, 1, 4096, 0, 300);
	assert_int_equal(rj_arrival_behind_us(a, 300), 0);
}

/* A round every 5 ms, each applied 50 ms later. */
static void a_long_path_has_many_rounds_under_way(void **state)
{
	struct rj_arrival *a = *state;

	for (uint32_t round = 0; round < 1000; round++) {
		const uint64_t now = round * UINT64_C(5000);

		rj_arrival_opened(a, round, 0, 0, now);
		rj_arrival_left(a, round + 1, round * 100, 0, now);
		if (round >= 10)
			rj_arrival_applied(a, round - 9, (round - 10) * 100, 0,
					   now);
	}
	assert_int_equal(rj_arrival_behind_us(a, 999 * 5000), 45000);
	assert_true(a->latency_us.mean > 49999 && a->latency_us.mean < 50001);
	assert_true(a->path_us > 49999 && a->path_us < 50001);
	assert_true(a->backlog_bytes < 1);
}

static void what_was_acknowledged_beyond_the_fences_waits(void **state)
{
	struct rj_arrival *a = *state;

	rj_arrival_opened(a, 0, 5000, 0, 0);
	rj_arrival_left(a, 1, 1000, 0, 10);
	rj_arrival_opened(a, 1, 5000, 0, 10);
	rj_arrival_applied(a, 1, 7000, 0, 20);
	assert_true(a->backlog_bytes > 5999 && a->backlog_bytes < 6001);
	/* Told again, it says nothing new. */
	rj_arrival_applied(a, 1, 9000, 0, 30);
	assert_true(a->backlog_bytes < 6001);
}

static void large_rounds_say_nothing_of_latency(void **state)
{
	struct rj_arrival *a = *state;

	rj_arrival_opened(a, 0, 5000, 0, 0);
	rj_arrival_left(a, 1, 1000, 0, 10);
	rj_arrival_applied(a, 1, 1000, 0, 20);
	assert_int_equal(a->latency_us.samples, 0);
}

/* An empty round behind a large one waits for it. */
static void small_rounds_behind_large_ones_say_nothing_of_latency(void **state)
{
	struct rj_arrival *a = *state;

	rj_arrival_opened(a, 0, 5000, 0, 0);
	rj_arrival_left(a, 1, 1000, 0, 10);
	rj_arrival_opened(a, 1, 0, 0, 10);
	rj_arrival_left(a, 2, 1000, 0, 20);
	rj_arrival_applied(a, 1, 1000, 0, 900);
	rj_arrival_applied(a, 2, 1000, 0, 1000);
	assert_int_equal(a->latency_us.samples, 0);
	rj_arrival_opened(a, 2, 10, 0, 2000);
	rj_arrival_left(a, 3, 1000, 0, 2000);
	rj_arrival_applied(a, 3, 1000, 0, 2300);
	assert_int_equal(a->latency_us.samples, 1);
	assert_true(a->path_us > 299 && a->path_us < 301);
}

/* On a long path what is written meanwhile is ahead of each round. */
static void rounds_that_take_longer_than_their_bytes_tell_the_latency(
	void **state)
{
	struct rj_arrival *a = *state;

	for (uint32_t round = 0; round < 30; round++) {
		const uint64_t now = round * UINT64_C(5000);

		rj_arrival_opened(a, round, 20, 0, now);
		rj_arrival_left(a, round + 1, round * 100, 0, now);
		if (round >= 20)
			rj_arrival_applied(a, round - 19, 0, 1e9, now);
	}
	assert_int_equal(a->latency_us.samples, 10);
	assert_true(a->path_us > 99999 && a->path_us < 100001);
}

static void further_behind_than_is_remembered_is_far_behind(void **state)
{
	struct rj_arrival *a = *state;

	for (uint32_t round = 0; round < RJ_ARRIVAL_ROUNDS + 2; round++) {
		rj_arrival_opened(a, round, 0, 0, round);
		rj_arrival_left(a, round + 1, 0, 0, round);
		if (!round)
			rj_arrival_applied(a, 1, 0, 0, 1);
	}
	assert_true(rj_arrival_behind_us(a, 1000) == UINT64_MAX);
	rj_arrival_applied(a, 2, 0, 0, 1000);
	assert_int_equal(rj_arrival_behind_us(a, 1000), 998);
}

/* What has come is the least that the path carries. */
static void a_round_with_pages_tells_what_came_in_its_time(void **state)
{
	struct rj_arrival *a = *state;

	rj_arrival_opened(a, 0, 5000, 300, 1000);
	rj_arrival_left(a, 1, 20300, 0, 1100);
	rj_arrival_applied(a, 1, 0, 0, 3000);
	assert_int_equal(a->came_bytes, 20000);
	assert_int_equal(a->came_us, 2000);
	/* Told once. */
	rj_arrival_applied(a, 1, 0, 0, 3500);
	assert_int_equal(a->came_bytes, 0);
	/* Fences alone tell nothing. */
	rj_arrival_opened(a, 1, 0, 20300, 4000);
	rj_arrival_left(a, 2, 20400, 0, 4100);
	rj_arrival_applied(a, 2, 0, 0, 5000);
	assert_int_equal(a->came_bytes, 0);
}

static void without_pages_under_way_nothing_waits(void **state)
{
	struct rj_arrival *a = *state;

	rj_arrival_opened(a, 0, 5000, 0, 0);
	rj_arrival_left(a, 1, 1000, 0, 10);
	rj_arrival_opened(a, 1, 0, 1000, 10);
	assert_true(rj_arrival_waiting_bytes(a, 256) > 255);
	rj_arrival_applied(a, 1, 1300, 0, 20);
	/* The second round's fences have come, too. */
	assert_true(a->backlog_bytes > 299);
	assert_true(rj_arrival_waiting_bytes(a, 256) < 1);
}

/* Whoever was stopped for half a second measures that: but only once. */
static void a_first_latency_that_was_a_delay_is_forgotten(void **state)
{
	struct rj_arrival *a = *state;

	for (uint32_t round = 0; round < 2; round++) {
		const uint64_t now = round * UINT64_C(1000000);

		rj_arrival_opened(a, round, 0, 0, now);
		rj_arrival_left(a, round + 1, 0, 0, now);
		rj_arrival_applied(a, round + 1, 0, 0,
				   now + (round ? 300 : 500000));
	}
	assert_true(a->latency_us.mean < 301);
	assert_true(rj_smooth_spread(&a->latency_us) < 1);
}

/* Whoever has waited for a queue of 20 ms to drain is not late yet. */
static void what_a_queue_explains_is_not_late(void **state)
{
	struct rj_arrival *a = *state;

	assert_true(rj_arrival_late_us(a, 100) == UINT64_MAX);
	rj_arrival_opened(a, 0, 1, 0, 0);
	rj_arrival_left(a, 1, 4096, 0, 100);
	rj_arrival_applied(a, 1, 4096, 0, 300);
	assert_int_equal(rj_arrival_late_us(a, 400), 0);
	rj_arrival_opened(a, 1, 0, 0, 500);
	rj_arrival_left(a, 2, 9000, 20000, 1000);
	assert_int_equal(rj_arrival_behind_us(a, 16000), 15000);
	assert_int_equal(rj_arrival_late_us(a, 16000), 0);
	assert_int_equal(rj_arrival_late_us(a, 24000), 3000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_known_before_the_first_round_has_arrived),
		TEST(a_long_path_has_many_rounds_under_way),
		TEST(what_was_acknowledged_beyond_the_fences_waits),
		TEST(large_rounds_say_nothing_of_latency),
		TEST(small_rounds_behind_large_ones_say_nothing_of_latency),
		TEST(rounds_that_take_longer_than_their_bytes_tell_the_latency),
		TEST(further_behind_than_is_remembered_is_far_behind),
		TEST(a_round_with_pages_tells_what_came_in_its_time),
		TEST(without_pages_under_way_nothing_waits),
		TEST(a_first_latency_that_was_a_delay_is_forgotten),
		TEST(what_a_queue_explains_is_not_late),
	};

	return cmocka_run_group_tests_name("arrival", tests, NULL, NULL);
}
