/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/forecast/estimate.h"
#include "ramjet.h"

#define MIB 1048576.0

/* 100 MiB/s, 1 ms a sync, no zero pages, 500 us of latency. */
static struct rj_estimate known_wire(void)
{
	struct rj_estimate e = { 0 };

	rj_smooth_add(&e.capacity, 100 * MIB);
	rj_smooth_add(&e.sync_us, 1000);
	rj_smooth_add(&e.latency_us, 500);
	rj_estimate_pages(&e, 1000, 0);
	return e;
}

static struct rj_pause pause_of(const struct rj_estimate *e,
				const struct rj_pause_inputs *inputs)
{
	struct rj_pause pause;

	rj_estimate_pause(e, inputs, &pause);
	return pause;
}

static void nothing_measured_is_unknown_while_pages_are_left(void **state)
{
	const struct rj_estimate e = { 0 };
	const struct rj_pause_inputs some = { .unsent_pages = 1 };
	const struct rj_pause_inputs none = { 0 };

	(void)state;
	assert_false(pause_of(&e, &some).known);
	assert_true(pause_of(&e, &none).known);
}

static void pages_take_their_bytes_over_the_capacity(void **state)
{
	const struct rj_estimate e = known_wire();
	const struct rj_pause_inputs inputs = { .unsent_pages = 2560 };
	const struct rj_pause pause = pause_of(&e, &inputs);

	(void)state;
	/* 10 MiB at 100 MiB/s, 0.4 % of overhead, and the latency. */
	assert_in_range(pause.pages_us, 100500, 101500);
	assert_in_range(pause.p50_us, pause.pages_us + 1000,
			pause.pages_us + 4000);
	assert_true(pause.p90_us >= pause.p50_us);
}

static void queued_bytes_go_first(void **state)
{
	const struct rj_estimate e = known_wire();
	const struct rj_pause_inputs inputs = { .queued_bytes = 5 * MIB };

	(void)state;
	assert_in_range(pause_of(&e, &inputs).pages_us, 50000, 51000);
}

static void zero_pages_cost_nothing_on_the_wire(void **state)
{
	struct rj_estimate e = known_wire();
	const struct rj_pause_inputs inputs = { .unsent_pages = 2560 };

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		rj_estimate_pages(&e, 250, 750);
	assert_in_range(pause_of(&e, &inputs).pages_us, 24000, 27500);
}

/* Until the last page is known to have come, and from COMMIT to RUNNING. */
static void the_path_is_in_the_pause_twice(void **state)
{
	struct rj_estimate e = known_wire();
	const struct rj_pause_inputs inputs = { 0 };
	const struct rj_pause near = pause_of(&e, &inputs);
	struct rj_pause far;

	(void)state;
	e.rtt_us = 100000;
	far = pause_of(&e, &inputs);
	assert_true(far.p50_us - near.p50_us >= 199000);
	/* A round measured before, when the path was shorter, changes nothing. */
	rj_smooth_add(&e.latency_us, 5000);
	assert_true(pause_of(&e, &inputs).p50_us - near.p50_us >= 199000);
	/* That one in ten takes longer is for the p90. */
	e.rtt_high_us = 150000;
	assert_int_equal(pause_of(&e, &inputs).resume_us, far.resume_us);
	assert_true(pause_of(&e, &inputs).p90_us > far.p90_us + 50000);
}

static void devices_take_what_is_said_until_they_were_seen(void **state)
{
	struct rj_estimate e = known_wire();
	const struct rj_pause_inputs inputs = { 0 };
	struct rj_pause pause;

	(void)state;
	e.state_hint_us = 80000;
	pause = pause_of(&e, &inputs);
	assert_int_equal(pause.device_us + pause.load_us, 80000);
	rj_state_cost_learn(&e.costs.save, 20000);
	rj_state_cost_learn(&e.costs.load, 270000);
	rj_state_cost_learn(&e.costs.stop, 7000);
	pause = pause_of(&e, &inputs);
	assert_int_equal(pause.device_us, 20000);
	assert_int_equal(pause.load_us, 270000);
	assert_int_equal(pause.stop_us, 7000);
	assert_true(pause.p50_us >= 297000);
}

static void what_is_overdue_takes_as_long_again(void **state)
{
	struct rj_estimate e = known_wire();
	struct rj_pause_inputs inputs = { 0 };
	const uint64_t usual_us = pause_of(&e, &inputs).p50_us;

	(void)state;
	inputs.overdue_us = 70000;
	assert_in_range(pause_of(&e, &inputs).p50_us, usual_us + 69000,
			usual_us + 71000);
}

static void a_given_capacity_replaces_the_measured_one(void **state)
{
	const struct rj_estimate e = known_wire();
	const struct rj_pause_inputs inputs = { .unsent_pages = 2560,
						.capacity = 10 * MIB };

	(void)state;
	assert_in_range(pause_of(&e, &inputs).pages_us, 1000000, 1010000);
}

/* Nor does the measured one's spread say anything of it. */
static void a_given_capacity_has_a_spread_of_its_own(void **state)
{
	struct rj_estimate e = known_wire();
	const struct rj_pause_inputs inputs = { .unsent_pages = 25600,
						.capacity = 10 * MIB };
	const uint64_t calm_us = pause_of(&e, &inputs).p90_us;

	(void)state;
	e.capacity.variance = 50 * MIB * 50 * MIB;
	assert_int_equal(pause_of(&e, &inputs).p90_us, calm_us);
}

static void spread_widens_the_p90_and_not_the_p50(void **state)
{
	struct rj_estimate e = known_wire();
	const struct rj_pause_inputs inputs = { .unsent_pages = 25600 };
	const struct rj_pause steady = pause_of(&e, &inputs);
	struct rj_pause shaky;

	(void)state;
	e.capacity.variance = 20 * MIB * 20 * MIB;
	shaky = pause_of(&e, &inputs);
	assert_int_equal(shaky.p50_us, steady.p50_us);
	assert_true(shaky.p90_us > steady.p90_us + 200000);
}

static void a_stalled_channel_predicts_a_long_pause(void **state)
{
	struct rj_estimate e = { 0 };
	const struct rj_pause_inputs inputs = { .unsent_pages = 1000 };

	(void)state;
	rj_smooth_add(&e.capacity, 0);
	rj_estimate_pages(&e, 1000, 0);
	assert_true(pause_of(&e, &inputs).p50_us > UINT64_C(1000000000));
	assert_true(pause_of(&e, &inputs).p90_us < UINT64_MAX / 2);
}

static void helpers_overlap_with_pages(void **state)
{
	struct rj_estimate e = known_wire();
	const struct rj_pause_inputs many = { .unsent_pages = 2560 };
	const struct rj_pause_inputs few = { .unsent_pages = 1 };
	const struct rj_pause before = pause_of(&e, &many);

	(void)state;
	e.helpers_us = 50000;
	assert_in_range(pause_of(&e, &many).p50_us, before.p50_us - 2,
			before.p50_us + 2);
	assert_in_range(pause_of(&e, &few).helpers_us +
				pause_of(&e, &few).pages_us,
			50000, 50001);
}

static void a_surprise_is_expected_again_and_fades(void **state)
{
	struct rj_estimate e = known_wire();
	const struct rj_pause_inputs inputs = { 0 };
	const struct rj_pause before = pause_of(&e, &inputs);
	struct rj_pause after, later;

	(void)state;
	rj_estimate_surprised(&e, 2560, 1000);
	after = pause_of(&e, &inputs);
	assert_in_range(after.pages_us - before.pages_us, 99000, 102000);
	rj_estimate_surprised(&e, 0, 1000);
	later = pause_of(&e, &inputs);
	assert_in_range(later.pages_us - before.pages_us, 49000, 51000);
}

static struct rj_pause idle_pause(const struct rj_estimate *e)
{
	const struct rj_pause_inputs inputs = { .capacity = 1e9 };

	return pause_of(e, &inputs);
}

/* It protects nothing and has all threads, so those before it say little. */
static void the_last_sync_is_expected_as_rehearsed(void **state)
{
	struct rj_estimate e = { 0 };
	struct rj_pause_inputs ahead = { .unsent_pages = 1000,
					 .capacity = 1e9 };
	struct rj_pause protecting;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		rj_estimate_synced(&e, 0, 100000, 40000, false);
	assert_int_equal(idle_pause(&e).sync_us, 40000);
	protecting = idle_pause(&e);
	for (unsigned i = 0; i < 5; i++) {
		rj_estimate_rehearsed(&e, 9000);
		rj_estimate_synced(&e, 0, 100000, 40000, false);
	}
	assert_int_equal(idle_pause(&e).sync_us, 9000);
	assert_int_equal(protecting.p50_us - idle_pause(&e).p50_us, 31000);
	/* Rounds to come have collects as before. */
	assert_int_equal((uint64_t)e.sync_us.mean, 40000);
	assert_true(rj_estimate_next_us(&e, &ahead) > 0);
	/* One that was called off has measured it. */
	rj_estimate_synced(&e, 0, 1000, 12000, true);
	assert_in_range(idle_pause(&e).sync_us, 9500, 12000);
	assert_int_equal((uint64_t)e.sync_us.mean, 40000);
}

/* Rehearsals that vary make the promise larger, not only the mean. */
static void rehearsals_that_vary_widen_the_promise(void **state)
{
	struct rj_estimate even = { 0 }, uneven = { 0 };

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		rj_estimate_rehearsed(&even, 20000);
		rj_estimate_rehearsed(&uneven, i % 2 ? 15000 : 25000);
	}
	assert_true(idle_pause(&uneven).p90_us - idle_pause(&uneven).p50_us >
		    2 * (idle_pause(&even).p90_us - idle_pause(&even).p50_us));
}

static uint64_t stop_us(const struct rj_estimate *e)
{
	const struct rj_pause_inputs inputs = { .capacity = 1e9 };
	struct rj_pause pause;

	rj_estimate_pause(e, &inputs, &pause);
	return pause.stop_us;
}

static unsigned rounds_until_forgotten(struct rj_estimate *e)
{
	unsigned rounds = 0;

	for (; stop_us(e) > 1000; rounds++)
		rj_estimate_synced(e, 0, 5000, 100, false);
	return rounds;
}

/* Else one slow stop would be the end of all tries. */
static void a_slow_stop_is_expected_again_and_fades(void **state)
{
	struct rj_estimate e = { 0 };
	unsigned first, second;

	(void)state;
	rj_estimate_stopped(&e, 50000);
	assert_int_equal(stop_us(&e), 50000);
	first = rounds_until_forgotten(&e);
	assert_in_range(first, 2, 100);
	rj_estimate_stopped(&e, 50000);
	second = rounds_until_forgotten(&e);
	assert_true(second > first);
	for (unsigned i = 0; i < 20; i++)
		rj_estimate_stopped(&e, 50000);
	assert_in_range(rounds_until_forgotten(&e), second, 10000);
	rj_estimate_stopped(&e, 100);
	rj_estimate_stopped(&e, 50000);
	assert_int_equal(rounds_until_forgotten(&e), first);
}

static void a_stopped_guest_writes_no_more(void **state)
{
	struct rj_estimate e = known_wire();
	struct rj_pause_inputs inputs = { 0 };
	uint64_t running;

	(void)state;
	rj_estimate_surprised(&e, 2560, 1000);
	running = pause_of(&e, &inputs).pages_us;
	inputs.stopped = true;
	assert_true(pause_of(&e, &inputs).pages_us + 90000 < running);
}

static void convergence_is_now_later_or_never(void **state)
{
	struct rj_estimate e = known_wire();
	struct rj_pause_inputs inputs = { .unsent_pages = 10 };

	(void)state;
	/* A guest that writes 10 MiB/s: each round leaves a tenth. */
	for (unsigned i = 1; i <= 8; i++)
		rj_dirt_model_add(&e.dirt, i * 1e6, i * 2560.0);
	assert_int_equal(rj_estimate_convergence(&e, &inputs, 50000), 0);
	inputs.unsent_pages = 256000;
	assert_in_range(rj_estimate_convergence(&e, &inputs, 50000), 10000000,
			13000000);
	/* And one that writes more than the wire carries. */
	for (unsigned i = 1; i <= 8; i++)
		rj_dirt_model_add(&e.dirt, i * 1e6, i * 51200.0);
	assert_true(rj_estimate_convergence(&e, &inputs, 50000) == UINT64_MAX);
}

/* Rounds bring the rest down, and never what they don't send. */
static void what_is_held_back_stays_for_the_pause(void **state)
{
	struct rj_estimate e = known_wire();
	const struct rj_pause_inputs in_turn = { .unsent_pages = 2560 };
	struct rj_pause_inputs held = in_turn;
	struct rj_pause_inputs left = { .unsent_pages = 2000 };

	(void)state;
	held.held_pages = left.unsent_pages;
	/* Held back or not, they are in the pause. */
	assert_int_equal(pause_of(&e, &held).p90_us,
			 pause_of(&e, &in_turn).p90_us);
	assert_true(rj_estimate_next_us(&e, &in_turn) <
		    pause_of(&e, &left).p50_us);
	assert_in_range(rj_estimate_next_us(&e, &held),
			pause_of(&e, &left).p50_us,
			pause_of(&e, &in_turn).p50_us);
	assert_true(rj_estimate_convergence(&e, &held, 20000) == UINT64_MAX);
}

static void there_is_room_for_what_fits(void **state)
{
	struct rj_estimate e = known_wire();
	const struct rj_pause_inputs inputs = {
		.unsent_pages = 1000000,
		.queued_bytes = 64 * MIB,
		.overdue_us = 1000000,
	};
	struct rj_pause_inputs with = { 0 };

	(void)state;
	for (double us = 20000; us < 1e7; us *= 3) {
		with.unsent_pages = (double)rj_estimate_room(&e, &inputs, us);
		assert_true(pause_of(&e, &with).p90_us <= (uint64_t)us);
		with.unsent_pages += 10;
		assert_true(pause_of(&e, &with).p90_us > (uint64_t)us);
	}
	assert_int_equal(rj_estimate_room(&e, &inputs, 10), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			nothing_measured_is_unknown_while_pages_are_left),
		cmocka_unit_test(pages_take_their_bytes_over_the_capacity),
		cmocka_unit_test(queued_bytes_go_first),
		cmocka_unit_test(zero_pages_cost_nothing_on_the_wire),
		cmocka_unit_test(the_path_is_in_the_pause_twice),
		cmocka_unit_test(
			devices_take_what_is_said_until_they_were_seen),
		cmocka_unit_test(what_is_overdue_takes_as_long_again),
		cmocka_unit_test(a_given_capacity_replaces_the_measured_one),
		cmocka_unit_test(a_given_capacity_has_a_spread_of_its_own),
		cmocka_unit_test(spread_widens_the_p90_and_not_the_p50),
		cmocka_unit_test(a_stalled_channel_predicts_a_long_pause),
		cmocka_unit_test(helpers_overlap_with_pages),
		cmocka_unit_test(a_surprise_is_expected_again_and_fades),
		cmocka_unit_test(the_last_sync_is_expected_as_rehearsed),
		cmocka_unit_test(rehearsals_that_vary_widen_the_promise),
		cmocka_unit_test(a_slow_stop_is_expected_again_and_fades),
		cmocka_unit_test(a_stopped_guest_writes_no_more),
		cmocka_unit_test(convergence_is_now_later_or_never),
		cmocka_unit_test(what_is_held_back_stays_for_the_pause),
		cmocka_unit_test(there_is_room_for_what_fits),
	};

	return cmocka_run_group_tests_name("estimate", tests, NULL, NULL);
}
