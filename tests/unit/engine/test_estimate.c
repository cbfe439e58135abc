/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <math.h>

#include "engine/estimate.h"
#include "ramjet.h"

#define MIB (1024.0 * 1024.0)

static bool near(double value, double wanted, double share)
{
	return fabs(value - wanted) <= fabs(wanted) * share;
}

static void equal_samples_have_their_mean_and_no_spread(void **state)
{
	struct rj_smooth smooth = { 0 };

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		rj_smooth_add(&smooth, 42);
	assert_int_equal(smooth.samples, 50);
	assert_true(near(smooth.mean, 42, 1e-9));
	assert_true(rj_smooth_spread(&smooth) < 1e-6);
}

static void the_mean_follows_a_change_and_the_spread_settles(void **state)
{
	struct rj_smooth smooth = { 0 };
	double at_change;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		rj_smooth_add(&smooth, 100);
	rj_smooth_add(&smooth, 200);
	at_change = rj_smooth_spread(&smooth);
	assert_true(smooth.mean > 100 && smooth.mean < 200);
	assert_true(at_change > 10);
	for (unsigned i = 0; i < 60; i++)
		rj_smooth_add(&smooth, 200);
	assert_true(near(smooth.mean, 200, 0.001));
	assert_true(rj_smooth_spread(&smooth) < at_change / 100);
}

static void the_spread_of_alternating_samples_is_their_distance(void **state)
{
	struct rj_smooth smooth = { 0 };

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		rj_smooth_add(&smooth, i % 2 ? 90 : 110);
	assert_true(near(smooth.mean, 100, 0.05));
	assert_true(near(rj_smooth_spread(&smooth), 10, 0.2));
}

static void nothing_measured_and_pages_left_is_not_known(void **state)
{
	const struct rj_estimate estimate = { 0 };
	const struct rj_pause_inputs inputs = { .unsent_pages = 1 };
	struct rj_pause pause;

	(void)state;
	rj_estimate_pause(&estimate, &inputs, &pause);
	assert_false(pause.known);
}

/* 100 MiB/s, all pages raw, no dirt, a sync takes 2 ms. */
static struct rj_estimate steady(void)
{
	struct rj_estimate estimate = { 0 };

	for (unsigned i = 0; i < 30; i++) {
		rj_estimate_sent(&estimate, (uint64_t)(100 * MIB), 25600, 0,
				 1000000);
		rj_estimate_synced(&estimate, 0, 1000000, 2000);
	}
	return estimate;
}

static struct rj_pause predict(const struct rj_estimate *estimate,
			       uint64_t unsent_pages, uint64_t cap)
{
	const struct rj_pause_inputs inputs = {
		.unsent_pages = unsent_pages,
		.cap_bytes_per_s = cap,
	};
	struct rj_pause pause;

	rj_estimate_pause(estimate, &inputs, &pause);
	assert_true(pause.known);
	return pause;
}

static uint64_t sum_of_terms(const struct rj_pause *pause)
{
	return pause->stop_us + pause->sync_us + pause->pages_us +
	       pause->device_us + pause->target_us + pause->resume_us;
}

static void pages_take_their_bytes_over_the_capacity(void **state)
{
	const struct rj_estimate estimate = steady();
	const struct rj_pause pause = predict(&estimate, 2560, 0);

	(void)state;
	/* 10 MiB at 100 MiB/s: 100 ms, and a little for headers. */
	assert_true(pause.pages_us >= 100000 && pause.pages_us < 103000);
	assert_int_equal(pause.sync_us, 2000);
	assert_int_equal(pause.p50_us, sum_of_terms(&pause));
	assert_true(pause.p90_us >= pause.p50_us);
	assert_true(near((double)pause.p90_us, (double)pause.p50_us, 0.01));
}

static void zero_pages_cost_next_to_nothing(void **state)
{
	struct rj_estimate estimate = { 0 };

	(void)state;
	for (unsigned i = 0; i < 30; i++)
		rj_estimate_sent(&estimate, (uint64_t)(100 * MIB), 25600, 76800,
				 1000000);
	/* A quarter of the pages is raw. */
	assert_true(near((double)predict(&estimate, 10240, 0).pages_us, 101000,
			 0.02));
}

static void a_cap_below_the_capacity_is_what_counts(void **state)
{
	const struct rj_estimate estimate = steady();
	const uint64_t uncapped = predict(&estimate, 2560, 0).pages_us;
	const uint64_t tenth =
		predict(&estimate, 2560, (uint64_t)(10 * MIB)).pages_us;

	(void)state;
	assert_true(near((double)tenth, 10 * (double)uncapped, 0.01));
	assert_int_equal(predict(&estimate, 2560, UINT64_MAX).pages_us,
			 uncapped);
}

static void round_trips_count_twice(void **state)
{
	struct rj_estimate estimate = steady();
	const uint64_t before = predict(&estimate, 0, 0).p50_us;

	(void)state;
	estimate.rtt_us = 7000;
	assert_int_equal(predict(&estimate, 0, 0).p50_us, before + 14000);
}

static void a_guest_that_writes_more_pauses_longer(void **state)
{
	struct rj_estimate idle = steady(), busy = steady();

	(void)state;
	for (unsigned i = 0; i < 30; i++)
		rj_estimate_synced(&busy, 1000000, 1000000, 2000);
	assert_true(predict(&busy, 100, 0).p50_us >
		    predict(&idle, 100, 0).p50_us);
}

static void unsteady_capacity_widens_the_prediction(void **state)
{
	struct rj_estimate estimate = { 0 };
	struct rj_pause pause;

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		rj_estimate_sent(&estimate,
				 (uint64_t)((i % 2 ? 150 : 50) * MIB), 25600, 0,
				 1000000);
	pause = predict(&estimate, 25600, 0);
	assert_true(pause.p90_us > pause.p50_us + pause.p50_us / 4);
	/* Four times slower is the worst that is feared. */
	assert_true(pause.p90_us < 5 * pause.p50_us);
}

static void a_stalled_channel_predicts_a_long_pause(void **state)
{
	struct rj_estimate estimate = { 0 };
	struct rj_pause pause;

	(void)state;
	/* Counters are read while a first send is still in flight. */
	rj_estimate_sent(&estimate, 0, 10, 0, 1000000);
	rj_estimate_synced(&estimate, 10, 1000000, 100);
	pause = predict(&estimate, 1000, 0);
	assert_true(pause.p50_us > 60000000);
	assert_true(pause.p90_us >= pause.p50_us);
}

static void enormous_figures_do_not_wrap_around(void **state)
{
	struct rj_estimate estimate = { 0 };
	struct rj_pause pause;

	(void)state;
	rj_estimate_sent(&estimate, 1, 1, 0, UINT64_MAX);
	rj_estimate_synced(&estimate, UINT64_MAX, 1, 100);
	pause = predict(&estimate, UINT64_MAX / 2, 1);
	assert_true(pause.p50_us > 60000000);
	assert_true(pause.p90_us >= pause.p50_us);
}

static void empty_spans_are_no_samples(void **state)
{
	struct rj_estimate estimate = { 0 };

	(void)state;
	rj_estimate_sent(&estimate, 0, 0, 0, 0);
	assert_int_equal(estimate.capacity.samples, 0);
	assert_int_equal(estimate.raw_share.samples, 0);
	rj_estimate_sent(&estimate, 4096, 1, 0, 0);
	assert_int_equal(estimate.capacity.samples, 0);
	rj_estimate_synced(&estimate, 5, 0, 10);
	assert_int_equal(estimate.dirty_per_s.samples, 0);
	assert_int_equal(estimate.sync_us.samples, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_samples_have_their_mean_and_no_spread),
		cmocka_unit_test(
			the_mean_follows_a_change_and_the_spread_settles),
		cmocka_unit_test(
			the_spread_of_alternating_samples_is_their_distance),
		cmocka_unit_test(nothing_measured_and_pages_left_is_not_known),
		cmocka_unit_test(pages_take_their_bytes_over_the_capacity),
		cmocka_unit_test(zero_pages_cost_next_to_nothing),
		cmocka_unit_test(a_cap_below_the_capacity_is_what_counts),
		cmocka_unit_test(round_trips_count_twice),
		cmocka_unit_test(a_guest_that_writes_more_pauses_longer),
		cmocka_unit_test(unsteady_capacity_widens_the_prediction),
		cmocka_unit_test(a_stalled_channel_predicts_a_long_pause),
		cmocka_unit_test(enormous_figures_do_not_wrap_around),
		cmocka_unit_test(empty_spans_are_no_samples),
	};

	return cmocka_run_group_tests_name("estimate", tests, NULL, NULL);
}
