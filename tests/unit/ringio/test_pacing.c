/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "ringio/pacing.h"
#include "util/compiler.h"

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static void no_cap_allows_everything(void **state)
{
	struct rj_pacing pacing = { 0 };

	(void)state;
	assert_int_equal(rj_pacing_allow(&pacing, UINT64_MAX, 5), UINT64_MAX);
	rj_pacing_take(&pacing, 1u << 30);
	assert_int_equal(rj_pacing_ready_ns(&pacing, 1, 5), 5);
}

static void a_new_bucket_is_empty_and_fills_at_the_rate(void **state)
{
	struct rj_pacing pacing = { 0 };

	(void)state;
	rj_pacing_set(&pacing, 1000000, 7 * S);
	assert_int_equal(rj_pacing_allow(&pacing, 1 << 20, 7 * S), 0);
	/* 5 ms are worth waking up for */
	assert_int_equal(rj_pacing_ready_ns(&pacing, 1 << 20, 7 * S),
			 7 * S + 5 * MS);
	assert_int_equal(rj_pacing_allow(&pacing, 1 << 20, 7 * S + 5 * MS - 1),
			 0);
	assert_int_equal(rj_pacing_allow(&pacing, 1 << 20, 7 * S + 5 * MS),
			 5000);
	assert_int_equal(rj_pacing_allow(&pacing, 100, 7 * S + 5 * MS), 100);
	rj_pacing_take(&pacing, 5000);
	assert_int_equal(rj_pacing_allow(&pacing, 1, 7 * S + 5 * MS), 0);
}

static void a_long_rest_saves_up_40_ms_and_no_more(void **state)
{
	struct rj_pacing pacing = { 0 };

	(void)state;
	rj_pacing_set(&pacing, 1000000000, 0);
	assert_int_equal(rj_pacing_allow(&pacing, UINT64_MAX, 3600 * S),
			 40000000);
	assert_int_equal(rj_pacing_allow(&pacing, UINT64_MAX, UINT64_MAX),
			 40000000);
}

static void the_last_bytes_do_not_wait_for_a_quantum(void **state)
{
	struct rj_pacing pacing = { 0 };

	(void)state;
	rj_pacing_set(&pacing, 1000000, 0);
	assert_int_equal(rj_pacing_ready_ns(&pacing, 10, 0), 10000);
	assert_int_equal(rj_pacing_allow(&pacing, 10, 10000), 10);
}

/* Whatever the rate, and however late the wake-ups: the cap holds over the
 * whole and within every 100 ms. */
static void any_rate_is_kept_over_time(void **state)
{
	static const uint64_t rates[] = { 1000, 123457, 50 << 20,
					  UINT64_C(5000000000) };

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(rates); i++) {
		uint64_t rate = rates[i], now = 42, sent = 0, window_sent = 0;
		uint64_t window = now, end = now + 20 * S;
		struct rj_pacing pacing = { 0 };
		uint32_t seed = 1;

		rj_pacing_set(&pacing, rate, now);
		while (now < end) {
			uint64_t allowed =
				rj_pacing_allow(&pacing, UINT64_MAX, now);

			rj_pacing_take(&pacing, allowed);
			sent += allowed;
			window_sent += allowed;
			if (now - window >= 100 * MS) {
				uint64_t most =
					(now - window) / MS * rate / 1000 +
					pacing.burst + allowed;

				assert_in_range(window_sent, 0, most);
				window = now;
				window_sent = 0;
			}
			now = rj_pacing_ready_ns(&pacing, UINT64_MAX, now);
			seed = seed * 1664525u + 1013904223u;
			now += seed % (20 * MS); /* woken late */
		}
		/* all of it but the last quantum */
		assert_in_range(sent, rate * 20 - rate / 50 - 2048,
				rate * 20 + rate / 10 + 2048);
	}
}

static void a_change_takes_hold_at_once(void **state)
{
	struct rj_pacing pacing = { 0 };

	(void)state;
	rj_pacing_set(&pacing, 1000000000, 0);
	assert_int_equal(rj_pacing_allow(&pacing, UINT64_MAX, S), 40000000);
	rj_pacing_set(&pacing, 1000000, S); /* keeps no more than its own */
	assert_int_equal(rj_pacing_allow(&pacing, UINT64_MAX, S), 40000);
	rj_pacing_set(&pacing, 0, S);
	assert_int_equal(rj_pacing_allow(&pacing, UINT64_MAX, S), UINT64_MAX);
	rj_pacing_set(&pacing, 1000000, 2 * S);
	assert_int_equal(rj_pacing_allow(&pacing, UINT64_MAX, 2 * S), 0);
}

static void extreme_rates_do_not_overflow(void **state)
{
	struct rj_pacing pacing = { 0 };

	(void)state;
	rj_pacing_set(&pacing, UINT64_MAX, 0);
	assert_in_range(rj_pacing_allow(&pacing, UINT64_MAX, S), 1u << 30,
			UINT64_MAX);
	rj_pacing_take(&pacing, UINT64_MAX);
	rj_pacing_set(&pacing, 1, S);
	assert_int_equal(rj_pacing_allow(&pacing, 1, S), 0);
	assert_int_equal(rj_pacing_ready_ns(&pacing, 1, S), 2 * S);
	assert_int_equal(rj_pacing_ready_ns(&pacing, UINT64_MAX, S),
			 S + 1024 * S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_cap_allows_everything),
		cmocka_unit_test(a_new_bucket_is_empty_and_fills_at_the_rate),
		cmocka_unit_test(a_long_rest_saves_up_40_ms_and_no_more),
		cmocka_unit_test(the_last_bytes_do_not_wait_for_a_quantum),
		cmocka_unit_test(any_rate_is_kept_over_time),
		cmocka_unit_test(a_change_takes_hold_at_once),
		cmocka_unit_test(extreme_rates_do_not_overflow),
	};

	return cmocka_run_group_tests_name("pacing", tests, NULL, NULL);
}
