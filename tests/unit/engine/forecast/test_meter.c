/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/forecast/meter.h"

#define SECOND_US UINT64_C(1000000)

struct wire {
	struct rj_meter meter;
	struct rj_smooth capacity;
	struct rj_wire_now now;
	uint64_t now_us;
};

/* `us` later, `bytes` more have been acknowledged. */
static void pass(struct wire *w, uint64_t us, uint64_t bytes, bool busy)
{
	w->now_us += us;
	w->now.acked += bytes;
	rj_meter_tick(&w->meter, &w->now, w->now_us, busy, &w->capacity);
}

static struct wire begin(void)
{
	struct wire w = { .now.queued = 1, .now_us = 77 * SECOND_US };

	pass(&w, 0, 0, true);
	return w;
}

static void bytes_over_busy_time_are_the_capacity(void **state)
{
	struct wire w = begin();

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		pass(&w, SECOND_US, 5000000, true);
	assert_true(w.capacity.samples > 0);
	assert_in_range((uint64_t)w.capacity.mean, 4999999, 5000001);
	assert_in_range((uint64_t)rj_smooth_spread(&w.capacity), 0, 1);
}

/* What the cap alone holds back does not stall; what is under way may. */
static void a_cap_is_no_stall(void **state)
{
	struct wire w = begin();

	(void)state;
	w.now.held = true;
	pass(&w, 0, 1, true);
	pass(&w, 3 * SECOND_US, 0, true);
	assert_int_equal(rj_meter_still_us(&w.meter, w.now_us), 3 * SECOND_US);
	w.now.queued = 0;
	pass(&w, 3 * SECOND_US, 0, true);
	assert_int_equal(rj_meter_still_us(&w.meter, w.now_us), 0);
	w.now.held = false;
	pass(&w, 3 * SECOND_US, 0, true);
	assert_int_equal(rj_meter_still_us(&w.meter, w.now_us), 3 * SECOND_US);
}

/* A guest that writes little says nothing about the wire. */
static void idle_time_does_not_count(void **state)
{
	struct wire w = begin();

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		pass(&w, SECOND_US, 5000000, true);
		pass(&w, 9 * SECOND_US, 100, false);
	}
	assert_in_range((uint64_t)w.capacity.mean, 4999999, 5000001);
}

/* Workers that had work, and sockets that ran dry: latency, not capacity. */
static void a_wire_that_runs_dry_is_not_measured(void **state)
{
	struct wire w = begin();

	(void)state;
	pass(&w, SECOND_US, 5000000, true);
	for (unsigned i = 0; i < 10; i++) {
		w.now.queued = i % 2;
		pass(&w, SECOND_US, 50, true);
	}
	assert_int_equal(w.capacity.samples, 1);
	assert_in_range((uint64_t)w.capacity.mean, 4999999, 5000001);
}

/* Under a cap, what waits waits for the cap, not in a socket. */
static void a_wire_the_cap_keeps_dry_is_measured(void **state)
{
	struct wire w = begin();

	(void)state;
	w.now.queued = 0;
	w.now.held = true;
	for (unsigned i = 0; i < 10; i++)
		pass(&w, SECOND_US, 5000000, true);
	assert_int_equal(w.capacity.samples, 10);
	assert_in_range((uint64_t)w.capacity.mean, 4999999, 5000001);
}

/* A file has no queue: better poor samples than none for ever. */
static void a_wire_that_never_has_a_queue_is_measured_all_the_same(void **state)
{
	struct wire w = begin();

	(void)state;
	w.now.queued = 0;
	pass(&w, SECOND_US, 100000, true);
	assert_int_equal(w.capacity.samples, 1);
	for (unsigned i = 0; i < 20; i++)
		pass(&w, SECOND_US, 5000000, true);
	/* A first one that was wrong is outgrown. */
	assert_in_range((uint64_t)w.capacity.mean, 4900000, 5000001);
}

/* Stopped for half a second while nothing but fences was on its way. */
static void a_few_bytes_in_a_long_time_are_no_first_sample(void **state)
{
	struct wire w = begin();

	(void)state;
	pass(&w, SECOND_US / 2, 256, true);
	assert_int_equal(w.capacity.samples, 0);
	pass(&w, SECOND_US, 1 << 20, true);
	assert_int_equal(w.capacity.samples, 1);
}

static void what_stood_in_is_forgotten_once_the_wire_is_measured(void **state)
{
	struct wire w = begin();

	(void)state;
	w.now.queued = 0;
	pass(&w, SECOND_US, 70000, true);
	assert_in_range((uint64_t)w.capacity.mean, 69999, 70001);
	w.now.queued = 1;
	pass(&w, 0, 0, true);
	pass(&w, SECOND_US, 5000000, true);
	assert_int_equal(w.capacity.samples, 1);
	assert_in_range((uint64_t)w.capacity.mean, 4999999, 5000001);
}

/* A wire that was measured, and is now far slower than a sample needs. */
static void a_wire_that_has_become_very_slow_is_noticed(void **state)
{
	struct wire w = begin();

	(void)state;
	pass(&w, SECOND_US, 5000000, true);
	for (unsigned i = 0; i < 20; i++)
		pass(&w, SECOND_US, 100, true);
	assert_true(w.capacity.mean < 50000);
}

/* Whatever was measured wrongly: what has arrived has arrived. */
static void what_has_arrived_mends_a_first_sample(void **state)
{
	struct wire w = begin();

	(void)state;
	rj_meter_arrived(&w.meter, 8192, 1000, &w.capacity);
	assert_int_equal(w.capacity.samples, 1);
	assert_in_range((uint64_t)w.capacity.mean, 8191999, 8192001);
	/* It is the least, not what is to be expected. */
	rj_meter_arrived(&w.meter, 100, 1000, &w.capacity);
	assert_in_range((uint64_t)w.capacity.mean, 8191999, 8192001);
	for (unsigned i = 0; i < 3; i++)
		pass(&w, SECOND_US, 100000, true);
	assert_in_range((uint64_t)w.capacity.mean, 99999, 100001);
	/* Well measured; a burst that a bucket let through is no measure. */
	rj_meter_arrived(&w.meter, 8192, 1000, &w.capacity);
	assert_in_range((uint64_t)w.capacity.mean, 99999, 100001);
}

static void nothing_acknowledged_is_no_sample(void **state)
{
	struct wire w = begin();

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		pass(&w, SECOND_US, 0, true);
	assert_int_equal(w.capacity.samples, 0);
	/* But the time counts, once something is. */
	pass(&w, SECOND_US, 11000000, true);
	assert_int_equal(w.capacity.samples, 1);
	assert_in_range((uint64_t)w.capacity.mean, 999999, 1000001);
}

static void short_spans_are_put_together(void **state)
{
	struct wire w = begin();

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		pass(&w, 1000, 3000, true);
	/* Far fewer samples than calls, and none of them off. */
	assert_in_range(w.capacity.samples, 1, 100);
	assert_in_range((uint64_t)w.capacity.mean, 2999999, 3000001);
}

static void a_count_that_goes_back_is_not_believed(void **state)
{
	struct wire w = begin();

	(void)state;
	pass(&w, SECOND_US, 2000000, true);
	w.now.acked = 0;
	pass(&w, SECOND_US, 0, true);
	for (unsigned i = 0; i < 5; i++)
		pass(&w, SECOND_US, 2000000, true);
	assert_in_range((uint64_t)w.capacity.mean, 1999999, 2000001);
}

static void stillness_is_counted_from_the_last_byte(void **state)
{
	struct wire w = { .now_us = 77 * SECOND_US };

	(void)state;
	/* Nothing has been looked at yet. */
	assert_int_equal(rj_meter_still_us(&w.meter, w.now_us), 0);
	pass(&w, 0, 0, true);
	pass(&w, 1000, 10, true);
	assert_int_equal(rj_meter_still_us(&w.meter, w.now_us), 0);
	pass(&w, 3000, 0, true);
	pass(&w, 4000, 0, false);
	assert_int_equal(rj_meter_still_us(&w.meter, w.now_us), 7000);
	assert_int_equal(rj_meter_still_us(&w.meter, w.now_us + 5), 7005);
	pass(&w, 1, 1, true);
	assert_int_equal(rj_meter_still_us(&w.meter, w.now_us), 0);
}

static void who_passes_empty_memory_is_not_still(void **state)
{
	struct wire w = { .now_us = 77 * SECOND_US };

	(void)state;
	pass(&w, 0, 0, true);
	pass(&w, 3000, 0, true);
	w.now.passed = 512;
	pass(&w, 4000, 0, true);
	assert_int_equal(rj_meter_still_us(&w.meter, w.now_us), 0);
	pass(&w, 1000, 0, true);
	assert_int_equal(rj_meter_still_us(&w.meter, w.now_us), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_over_busy_time_are_the_capacity),
		cmocka_unit_test(a_cap_is_no_stall),
		cmocka_unit_test(idle_time_does_not_count),
		cmocka_unit_test(a_wire_that_runs_dry_is_not_measured),
		cmocka_unit_test(a_wire_the_cap_keeps_dry_is_measured),
		cmocka_unit_test(
			a_wire_that_never_has_a_queue_is_measured_all_the_same),
		cmocka_unit_test(
			a_few_bytes_in_a_long_time_are_no_first_sample),
		cmocka_unit_test(
			what_stood_in_is_forgotten_once_the_wire_is_measured),
		cmocka_unit_test(a_wire_that_has_become_very_slow_is_noticed),
		cmocka_unit_test(what_has_arrived_mends_a_first_sample),
		cmocka_unit_test(nothing_acknowledged_is_no_sample),
		cmocka_unit_test(short_spans_are_put_together),
		cmocka_unit_test(a_count_that_goes_back_is_not_believed),
		cmocka_unit_test(stillness_is_counted_from_the_last_byte),
		cmocka_unit_test(who_passes_empty_memory_is_not_still),
	};

	return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
