/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/forecast/convergence.h"

static const struct rj_round_outcome stuck_round = {
	.sent_bytes = 100,
	.room_bytes = 100,
	.dirtied_bytes = 100,
	.known = true,
	.caught_up = true,
	.p50_us = 1000000,
	.next_us = 1000000,
	.wanted = true,
	.can_throttle = true,
};
static const struct rj_round_outcome calm_round = {
	.sent_bytes = 100,
	.room_bytes = 100,
	.dirtied_bytes = 1,
	.known = true,
	.caught_up = true,
	.p50_us = 1000000,
	.next_us = 1000000,
	.wanted = true,
	.can_throttle = true,
};

static struct ramjet_params defaults(void)
{
	return (struct ramjet_params){ RAMJET_PARAMS_INIT };
}

static void a_pause_that_fits_is_taken(void **state)
{
	struct rj_convergence c = { 0 };
	struct rj_round_outcome outcome = stuck_round;
	const struct ramjet_params params = defaults();

	(void)state;
	outcome.fits = true;
	assert_int_equal(rj_convergence_advise(&c, &outcome, &params),
			 RJ_ADVICE_SWITCH);
	assert_int_equal(c.throttle_percent, 0);
}

static void a_much_shorter_pause_is_worth_a_round(void **state)
{
	struct rj_convergence c = { 0 };
	struct rj_round_outcome outcome = calm_round;
	const struct ramjet_params params = defaults();
	unsigned rounds = 0;

	(void)state;
	outcome.fits = true;
	outcome.next_us = outcome.p50_us / 2;
	while (rj_convergence_advise(&c, &outcome, &params) ==
	       RJ_ADVICE_GO_ON) {
		rounds++;
		outcome.p50_us = outcome.next_us;
		outcome.next_us /= 2;
	}
	/* Until there is nothing to be had that anybody would notice. */
	assert_int_equal(rounds, 9);
	c = (struct rj_convergence){ 0 };
	outcome.next_us = outcome.p50_us * 9 / 10;
	assert_int_equal(rj_convergence_advise(&c, &outcome, &params),
			 RJ_ADVICE_SWITCH);
}

/* Promised half the pause each time, and nothing comes of it. */
static void three_rounds_in_vain_are_the_last(void **state)
{
	struct rj_convergence c = { 0 };
	struct rj_round_outcome outcome = calm_round;
	const struct ramjet_params params = defaults();

	(void)state;
	outcome.fits = true;
	outcome.p50_us = 30000;
	outcome.next_us = 10000;
	assert_int_equal(rj_convergence_advise(&c, &outcome, &params),
			 RJ_ADVICE_GO_ON);
	outcome.p50_us = 28000;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(rj_convergence_advise(&c, &outcome, &params),
				 RJ_ADVICE_GO_ON);
	assert_int_equal(rj_convergence_advise(&c, &outcome, &params),
			 RJ_ADVICE_SWITCH);
}

/* A sample more or less may lengthen the pause once. */
static void a_single_round_in_vain_ends_nothing(void **state)
{
	static const uint64_t pauses_us[] = { 40000, 44000, 39000,
					      30000, 31000, 20000 };
	struct rj_convergence c = { 0 };
	struct rj_round_outcome outcome = calm_round;
	const struct ramjet_params params = defaults();

	(void)state;
	outcome.fits = true;
	outcome.next_us = 5000;
	for (size_t i = 0; i < sizeof(pauses_us) / sizeof(*pauses_us); i++) {
		outcome.p50_us = pauses_us[i];
		assert_int_equal(rj_convergence_advise(&c, &outcome, &params),
				 RJ_ADVICE_GO_ON);
	}
}

/* Nothing is known of a wire that nobody has measured. */
static void nothing_is_concluded_while_the_pause_is_unknown(void **state)
{
	static const enum ramjet_on_no_convergence policies[] = {
		RAMJET_NO_CONVERGENCE_FAIL,
		RAMJET_NO_CONVERGENCE_SWITCH,
	};
	struct ramjet_params params = defaults();
	struct rj_round_outcome outcome = stuck_round;

	(void)state;
	outcome.known = false;
	outcome.p50_us = outcome.next_us = 0;
	for (unsigned p = 0; p < 2; p++) {
		struct rj_convergence c = { 0 };

		params.on_no_convergence = policies[p];
		for (unsigned i = 0; i < 1000; i++)
			assert_int_equal(
				rj_convergence_advise(&c, &outcome, &params),
				RJ_ADVICE_GO_ON);
		assert_int_equal(c.throttle_percent, 0);
	}
}

static void a_stuck_guest_is_slowed_down_step_by_step(void **state)
{
	struct rj_convergence c = { 0 };
	const struct ramjet_params params = defaults();
	uint32_t seen = 0, steps = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		if (rj_convergence_advise(&c, &stuck_round, &params) !=
		    RJ_ADVICE_THROTTLE)
			continue;
		assert_int_equal(c.throttle_percent, steps == 0   ? 20
						     : seen == 90 ? 99
								  : seen + 10);
		seen = c.throttle_percent;
		steps++;
	}
	assert_int_equal(seen, 99);
	assert_int_equal(steps, 9);
}

static void a_calm_guest_is_let_go_again(void **state)
{
	struct rj_convergence c = { .throttle_percent = 50 };
	const struct ramjet_params params = defaults();

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		(void)rj_convergence_advise(&c, &calm_round, &params);
	assert_int_equal(c.throttle_percent, 0);
}

/* Rounds that send what is written, at leisure, do not make it busy. */
static void a_guest_is_calm_that_writes_little_of_what_could_be_sent(
	void **state)
{
	struct rj_convergence c = { .throttle_percent = 50 };
	struct rj_round_outcome outcome = calm_round;
	const struct ramjet_params params = defaults();

	(void)state;
	outcome.fits = true;
	outcome.wanted = false;
	outcome.sent_bytes = outcome.dirtied_bytes = 10;
	for (unsigned i = 0; i < 20 && c.throttle_percent; i++)
		(void)rj_convergence_advise(&c, &outcome, &params);
	assert_int_equal(c.throttle_percent, 0);
}

/* On a long path a round is not applied before the next ones are sent. */
static void a_target_behind_is_waited_for_and_nobody_is_slowed_down(
	void **state)
{
	struct rj_convergence c = { 0 };
	struct rj_round_outcome outcome = stuck_round;
	const struct ramjet_params params = defaults();

	(void)state;
	outcome.fits = true;
	outcome.caught_up = false;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(rj_convergence_advise(&c, &outcome, &params),
				 RJ_ADVICE_GO_ON);
	outcome.caught_up = true;
	assert_int_equal(rj_convergence_advise(&c, &outcome, &params),
			 RJ_ADVICE_SWITCH);
}

static void an_idle_guest_is_calm(void **state)
{
	struct rj_convergence c = { .throttle_percent = 20 };
	struct rj_round_outcome outcome = calm_round;
	const struct ramjet_params params = defaults();

	(void)state;
	outcome.fits = true;
	outcome.wanted = false;
	outcome.sent_bytes = outcome.dirtied_bytes = 0;
	for (unsigned i = 0; i < 10 && c.throttle_percent; i++)
		(void)rj_convergence_advise(&c, &outcome, &params);
	assert_int_equal(c.throttle_percent, 0);
}

static void throttling_switched_off_is_lifted(void **state)
{
	struct rj_convergence c = { .throttle_percent = 50 };
	const struct ramjet_params params = defaults();
	struct rj_round_outcome outcome = stuck_round;

	(void)state;
	outcome.can_throttle = false;
	for (unsigned i = 0; i < 20; i++)
		(void)rj_convergence_advise(&c, &outcome, &params);
	assert_int_equal(c.throttle_percent, 0);
}

static enum rj_advice end_of_a_hopeless_case(uint32_t policy, uint64_t p50_us)
{
	struct rj_convergence c = { 0 };
	struct rj_round_outcome outcome = stuck_round;
	struct ramjet_params params = defaults();
	enum rj_advice advice = RJ_ADVICE_GO_ON;

	outcome.can_throttle = false;
	params.on_no_convergence = policy;
	for (unsigned i = 0; i < 15; i++) {
		if (i == 14)
			outcome.p50_us = p50_us;
		advice = rj_convergence_advise(&c, &outcome, &params);
	}
	return advice;
}

static void a_hopeless_case_follows_the_policy(void **state)
{
	(void)state;
	assert_int_equal(
		end_of_a_hopeless_case(RAMJET_NO_CONVERGENCE_CONTINUE, 1000000),
		RJ_ADVICE_GO_ON);
	assert_int_equal(
		end_of_a_hopeless_case(RAMJET_NO_CONVERGENCE_FAIL, 1000000),
		RJ_ADVICE_GIVE_UP);
	assert_int_equal(
		end_of_a_hopeless_case(RAMJET_NO_CONVERGENCE_SWITCH, 1000000),
		RJ_ADVICE_GO_ANYWAY);
}

static void going_anyway_waits_for_a_good_moment(void **state)
{
	(void)state;
	assert_int_equal(
		end_of_a_hopeless_case(RAMJET_NO_CONVERGENCE_SWITCH, 2000000),
		RJ_ADVICE_GO_ON);
}

static void progress_is_not_hopeless(void **state)
{
	struct rj_convergence c = { 0 };
	struct rj_round_outcome outcome = stuck_round;
	struct ramjet_params params = defaults();

	(void)state;
	params.on_no_convergence = RAMJET_NO_CONVERGENCE_FAIL;
	outcome.dirtied_bytes = 50;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(rj_convergence_advise(&c, &outcome, &params),
				 RJ_ADVICE_GO_ON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pause_that_fits_is_taken),
		cmocka_unit_test(a_much_shorter_pause_is_worth_a_round),
		cmocka_unit_test(three_rounds_in_vain_are_the_last),
		cmocka_unit_test(a_single_round_in_vain_ends_nothing),
		cmocka_unit_test(
			nothing_is_concluded_while_the_pause_is_unknown),
		cmocka_unit_test(a_stuck_guest_is_slowed_down_step_by_step),
		cmocka_unit_test(a_calm_guest_is_let_go_again),
		cmocka_unit_test(
			a_guest_is_calm_that_writes_little_of_what_could_be_sent),
		cmocka_unit_test(
			a_target_behind_is_waited_for_and_nobody_is_slowed_down),
		cmocka_unit_test(an_idle_guest_is_calm),
		cmocka_unit_test(throttling_switched_off_is_lifted),
		cmocka_unit_test(a_hopeless_case_follows_the_policy),
		cmocka_unit_test(going_anyway_waits_for_a_good_moment),
		cmocka_unit_test(progress_is_not_hopeless),
	};

	return cmocka_run_group_tests_name("convergence", tests, NULL, NULL);
}
