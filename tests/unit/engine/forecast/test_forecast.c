/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "engine/forecast/forecast.h"

#define MIB 1048576u

/* A wire of 100 MiB/s that is measured, with so much queued. */
static void measure_wire(struct rj_forecast *f, struct rj_wire_now *wire,
			 uint64_t queued, uint64_t *now_us)
{
	for (unsigned i = 0; i < 20; i++) {
		wire->acked += MIB;
		wire->launched = wire->acked + queued;
		wire->queued = queued;
		*now_us += 10000;
		rj_forecast_look(f, wire, true, *now_us);
	}
}

static void what_a_queue_explains_is_not_overdue(void **state)
{
	struct rj_forecast f = { 0 };
	struct rj_wire_now wire = { 0 };
	uint64_t now_us = 1000000;

	(void)state;
	measure_wire(&f, &wire, 2 * MIB, &now_us);
	rj_arrival_opened(&f.arrival, 0, 1000, 0, now_us);
	rj_forecast_follow(&f, 1, 0, now_us);
	/* Before anything has arrived, nobody knows. */
	assert_true(rj_forecast_overdue_us(&f, now_us + 1000000) < 1);
	rj_forecast_follow(&f, 1, 1, now_us + 20000);
	rj_arrival_opened(&f.arrival, 1, 0, wire.launched, now_us + 20000);
	rj_forecast_follow(&f, 2, 1, now_us + 20000);
	/* 2 MiB take 20 ms. */
	assert_true(rj_forecast_overdue_us(&f, now_us + 39000) < 1);
	assert_true(rj_forecast_overdue_us(&f, now_us + 59000) > 15000);
}

static void the_path_is_what_the_target_answers(void **state)
{
	struct rj_forecast f = { 0 };
	const struct rj_path_seen connected = { .tcp_us = 300 };
	const struct rj_path_seen laden = { .tcp_us = 9000 };
	const struct rj_path_seen answered = {
		.tcp_us = 500,
		.rtt_us = 20000,
		.high_us = 21000,
	};

	(void)state;
	rj_forecast_take_path(&f, &connected);
	assert_true(f.estimate.rtt_us > 299 && f.estimate.rtt_us < 301);
	/* Behind a queue TCP's round trip is longer, the path is not. */
	rj_forecast_take_path(&f, &laden);
	assert_true(f.estimate.rtt_us < 301);
	rj_forecast_take_path(&f, &answered);
	assert_true(f.estimate.rtt_us > 19999);
	assert_true(f.estimate.rtt_high_us > 20999);
	/* But a round that made it sooner shows a shorter one. */
	rj_arrival_opened(&f.arrival, 0, 0, 0, 1000);
	rj_forecast_follow(&f, 1, 0, 1000);
	rj_forecast_follow(&f, 1, 1, 6000);
	rj_forecast_take_path(&f, &answered);
	assert_true(f.estimate.rtt_us > 4999 && f.estimate.rtt_us < 5001);
}

static void without_a_path_nothing_fits(void **state)
{
	const struct rj_pause_inputs inputs = { .unsent_pages = 0 };
	struct rj_forecast f = { 0 };

	(void)state;
	rj_forecast_predict(&f, &inputs, false, 1000000);
	assert_false(rj_forecast_fits(&f, 1000000));
	rj_forecast_predict(&f, &inputs, true, 1000000);
	assert_true(rj_forecast_fits(&f, 1000000));
	assert_false(rj_forecast_fits(&f, 1));
	assert_int_equal(f.convergence_us, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_queue_explains_is_not_overdue),
		cmocka_unit_test(the_path_is_what_the_target_answers),
		cmocka_unit_test(without_a_path_nothing_fits),
	};

	return cmocka_run_group_tests_name("forecast", tests, NULL, NULL);
}
