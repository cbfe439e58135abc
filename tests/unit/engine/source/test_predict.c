/* SPDX-License-Identifier: BSD-3-Clause */
/* What is made of a forecast, without a migration. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "engine/source/predict.h"
#include "tests/unit/engine/bare_env.h"
#include "util/clock.h"

#define MIB 1048576.0

struct world {
	struct ramjet_guest guest;
	struct rj_forecast forecast;
	struct bare_env bare;
};

static int throttle_guest(void *user, unsigned percent,
			  struct ramjet_error *err)
{
	(void)user, (void)percent, (void)err;
	return 0;
}

/* A pause of 100 ms is expected, the wire takes 64 MiB/s. */
static void open_world(struct world *w)
{
	*w = (struct world){ 0 };
	bare_env_open(&w->bare);
	w->forecast.pause = (struct rj_pause){
		.known = true,
		.p50_us = 80000,
		.p90_us = 100000,
	};
	w->forecast.estimate.capacity.mean = 64 * MIB;
	w->forecast.estimate.raw_share = 1;
	atomic_store(&w->bare.downtime_limit_us, 300000);
}

static enum rj_advice advise(struct world *w)
{
	const struct rj_sent sent = { .payload_bytes = 4096 };
	const struct rj_predict_round round = {
		.sent = &sent,
		.dirtied_pages = 1,
		.over_us = 10000,
	};

	return rj_predict_advise(&w->forecast, &round, &w->guest, &w->bare.env);
}

static void a_pause_that_fits_is_taken(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	w.forecast.next_us = 80000;
	atomic_store(&w.bare.switch_now, true);
	rj_arrival_opened(&w.forecast.arrival, 0, 1, 0, rj_now_us());
	rj_arrival_left(&w.forecast.arrival, 1, 4096, 0, rj_now_us());
	rj_arrival_applied(&w.forecast.arrival, 1, 4096, 64 * MIB, rj_now_us());
	assert_int_equal(advise(&w), RJ_ADVICE_SWITCH);
	bare_env_close(&w.bare);
}

static void one_that_does_not_fit_waits(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	atomic_store(&w.bare.downtime_limit_us, 99999);
	assert_int_equal(advise(&w), RJ_ADVICE_GO_ON);
	bare_env_close(&w.bare);
}

/* Nobody says what has arrived of a stream that nobody answers. */
static void a_target_that_is_behind_is_waited_for_unless_one_way(void **state)
{
	struct world w;
	const uint64_t long_ago_us = rj_now_us() - 10000000;

	(void)state;
	open_world(&w);
	w.forecast.next_us = 80000;
	atomic_store(&w.bare.switch_now, true);
	rj_arrival_opened(&w.forecast.arrival, 0, 1, 0, long_ago_us);
	rj_arrival_left(&w.forecast.arrival, 1, 4096, 0, long_ago_us);
	assert_int_equal(advise(&w), RJ_ADVICE_GO_ON);
	w.forecast.one_way = true;
	assert_int_equal(advise(&w), RJ_ADVICE_SWITCH);
	bare_env_close(&w.bare);
}

static void who_gives_up_says_why(void **state)
{
	struct ramjet_error err = { 0 };
	struct world w;

	(void)state;
	open_world(&w);
	w.bare.stats.dirty_pages_per_s = 256 * 128;
	assert_int_equal(rj_predict_give_up(&w.forecast, &w.bare.env, &err),
			 -ETIME);
	assert_string_equal(err.message,
			    "does not converge: the guest writes 128.0 MiB/s, "
			    "the wire takes 64.0 MiB/s; a pause of 100 ms "
			    "would do now, the limit is 300 ms");
	bare_env_close(&w.bare);
}

/* The first look is not enough. */
static void a_limit_out_of_reach_is_told(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	w.guest.ops.throttle = throttle_guest;
	atomic_store(&w.bare.downtime_limit_us, 1000);
	rj_predict_look_out(&w.forecast, &w.guest, &w.bare.env);
	assert_string_equal(w.bare.logged, "");
	/* So it has been for an hour. */
	w.forecast.outlook.since_us -= UINT64_C(3600000000);
	rj_predict_look_out(&w.forecast, &w.guest, &w.bare.env);
	assert_int_equal(w.bare.stats.limit_needed_us, 110100);
	assert_non_null(
		strstr(w.bare.logged, "a pause within 1.0 ms is out of reach"));
	assert_non_null(strstr(w.bare.logged, "a limit of 110.1 ms would do, "
					      "throttling the guest may"));
	w.forecast.pause.known = false;
	w.bare.stats.limit_needed_us = 7;
	rj_predict_look_out(&w.forecast, &w.guest, &w.bare.env);
	assert_int_equal(w.bare.stats.limit_needed_us, 7);
	bare_env_close(&w.bare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pause_that_fits_is_taken),
		cmocka_unit_test(one_that_does_not_fit_waits),
		cmocka_unit_test(
			a_target_that_is_behind_is_waited_for_unless_one_way),
		cmocka_unit_test(who_gives_up_says_why),
		cmocka_unit_test(a_limit_out_of_reach_is_told),
	};

	return cmocka_run_group_tests_name("predict", tests, NULL, NULL);
}
