/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "engine/source/outgoing.h"
#include "engine/source/pause_limit.h"
#include "tests/unit/engine/bare_env.h"
#include "util/clock.h"

#define AUTO RAMJET_SWITCHOVER_TIMEOUT_AUTO

static uint64_t limit(uint64_t timeout_us, uint64_t downtime_us,
		      uint64_t predicted_us)
{
	const struct ramjet_params params = {
		.downtime_limit_us = downtime_us,
		.switchover_timeout_us = timeout_us,
	};

	return rj_pause_limit_us(&params, predicted_us);
}

static void unless_told_it_is_ten_limits_and_five_seconds(void **state)
{
	(void)state;
	assert_int_equal(limit(AUTO, 1, 0), 5000000);
	assert_int_equal(limit(AUTO, 500000, 0), 5000000);
	assert_int_equal(limit(AUTO, 500001, 0), 5000010);
	assert_int_equal(limit(AUTO, 300000000, 0), UINT64_C(3000000000));
	assert_int_equal(limit(AUTO, UINT64_MAX, 0), UINT64_MAX);
	/* Any pause will do. */
	assert_int_equal(limit(AUTO, 0, 0), UINT64_MAX);
}

/* Told to go at once, or at the best moment there is. */
static void a_pause_known_to_be_long_may_be_so(void **state)
{
	(void)state;
	assert_int_equal(limit(AUTO, 300000, 2500000), 5000000);
	assert_int_equal(limit(AUTO, 300000, 60000000), 120000000);
	assert_int_equal(limit(AUTO, 300000, UINT64_MAX), UINT64_MAX);
}

static void what_is_told_is_taken(void **state)
{
	(void)state;
	assert_int_equal(limit(1, 300000, 60000000), 1);
	assert_int_equal(limit(0, 300000, 0), UINT64_MAX);
	assert_int_equal(limit(0, 0, 60000000), UINT64_MAX);
}

/* The guest has stood still for 20 s, of 10 that are allowed. */
static void it_is_over_when_it_is_longer(void **state)
{
	struct rj_handover handover = {
		.pause_began_us = rj_now_us() - 20000000,
	};
	struct ramjet_error err = { 0 };
	struct bare_env bare;

	(void)state;
	bare_env_open(&bare);
	bare.params.switchover_timeout_us = 10000000;
	assert_int_equal(rj_pause_check(&handover, &bare.env, "READY", &err),
			 -ETIMEDOUT);
	assert_non_null(strstr(err.message, "the most allowed is 10000"));
	assert_non_null(strstr(err.message, "no READY yet"));
	/* What it was predicted to take is allowed, and twice that. */
	bare.params.switchover_timeout_us = 0;
	handover.expected_us = 3600000000;
	assert_int_equal(rj_pause_check(&handover, &bare.env, "READY", &err),
			 0);
	bare_env_close(&bare);
}

/* Nor is the time that it takes the target, four times as long as us. */
static void hashing_is_not_counted(void **state)
{
	struct rj_handover handover = {
		.pause_began_us = rj_now_us() - 20000000,
		.hashed_us = 3600000000,
	};
	struct ramjet_error err = { 0 };
	struct bare_env bare;
	uint64_t until_ns;

	(void)state;
	bare_env_open(&bare);
	bare.params.switchover_timeout_us = 10000000;
	bare.params.verify = true;
	assert_int_equal(rj_pause_check(&handover, &bare.env, "READY", &err),
			 0);
	until_ns = rj_pause_deadline_ns(&handover, &bare.env);
	assert_int_equal(until_ns, (handover.pause_began_us + 10000000 +
				    5 * UINT64_C(3600000000)) *
					   1000);
	/* An answer may take less. */
	bare.params.reply_timeout_ms = 1000;
	assert_true(rj_pause_deadline_ns(&handover, &bare.env) < until_ns);
	bare_env_close(&bare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unless_told_it_is_ten_limits_and_five_seconds),
		cmocka_unit_test(a_pause_known_to_be_long_may_be_so),
		cmocka_unit_test(what_is_told_is_taken),
		cmocka_unit_test(it_is_over_when_it_is_longer),
		cmocka_unit_test(hashing_is_not_counted),
	};

	return cmocka_run_group_tests_name("pause_limit", tests, NULL, NULL);
}
