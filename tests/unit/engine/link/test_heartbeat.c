/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/link/heartbeat.h"

#define S UINT64_C(1000000000)

static void silence_is_asked_about_and_then_believed(void **state)
{
	struct rj_heartbeat heart = { 0 };
	struct rj_ping ping = { 0 };

	(void)state;
	assert_int_equal(rj_heartbeat_look(&heart, 5, &ping, 1 * S),
			 RJ_PULSE_FINE);
	assert_int_equal(rj_heartbeat_look(&heart, 5, &ping, 10 * S),
			 RJ_PULSE_FINE);
	assert_int_equal(rj_heartbeat_look(&heart, 5, &ping, 11 * S),
			 RJ_PULSE_ASK);
	(void)rj_ping_ask(&ping, false, 11 * S);
	assert_int_equal(rj_heartbeat_look(&heart, 5, &ping, 30 * S),
			 RJ_PULSE_ASK);
	assert_int_equal(rj_heartbeat_look(&heart, 5, &ping, 31 * S),
			 RJ_PULSE_DEAD);
	/* Anything at all. */
	assert_int_equal(rj_heartbeat_look(&heart, 6, &ping, 31 * S),
			 RJ_PULSE_FINE);
	assert_int_equal(rj_heartbeat_look(&heart, 6, &ping, 60 * S),
			 RJ_PULSE_ASK);
}

static void who_looks_late_asks_before_he_believes(void **state)
{
	struct rj_heartbeat heart = { 0 };
	struct rj_ping ping = { 0 };

	(void)state;
	(void)rj_heartbeat_look(&heart, 5, &ping, 1 * S);
	/* An hour in a callback of our own. */
	assert_int_equal(rj_heartbeat_look(&heart, 5, &ping, 3600 * S),
			 RJ_PULSE_ASK);
	(void)rj_ping_ask(&ping, false, 3600 * S);
	assert_int_equal(rj_heartbeat_look(&heart, 5, &ping, 3619 * S),
			 RJ_PULSE_ASK);
	assert_int_equal(rj_heartbeat_look(&heart, 5, &ping, 3620 * S),
			 RJ_PULSE_DEAD);
}

static void an_answered_question_is_asked_again(void **state)
{
	struct rj_heartbeat heart = { 0 };
	struct rj_ping ping = { 0 };
	uint64_t token;

	(void)state;
	(void)rj_heartbeat_look(&heart, 5, &ping, 1 * S);
	token = rj_ping_ask(&ping, false, 11 * S);
	assert_int_equal(rj_ping_answered(&ping, token, 12 * S, NULL), 0);
	assert_int_equal(rj_heartbeat_look(&heart, 5, &ping, 40 * S),
			 RJ_PULSE_ASK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_is_asked_about_and_then_believed),
		cmocka_unit_test(who_looks_late_asks_before_he_believes),
		cmocka_unit_test(an_answered_question_is_asked_again),
	};

	return cmocka_run_group_tests_name("heartbeat", tests, NULL, NULL);
}
