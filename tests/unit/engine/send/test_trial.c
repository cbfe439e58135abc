/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/send/trial.h"

/* All frames of a trial, each way at its pace; `slow` frames of way 1 take ten
 * times as long, the rest of that way is spared. */
static struct rj_trial run(uint64_t plain_ns, uint64_t other_ns, unsigned slow)
{
	struct rj_trial trial = { 0 };

	while (!rj_trial_is_over(&trial)) {
		uint64_t ns = rj_trial_turn(&trial) ? other_ns : plain_ns;

		if (rj_trial_turn(&trial) && slow) {
			ns *= 10;
			slow--;
		}
		rj_trial_add(&trial, ns, 1u << 20);
	}
	return trial;
}

static void the_faster_way_wins(void **state)
{
	const struct rj_trial yes = run(1000, 999, 0), no = run(999, 1000, 0);

	(void)state;
	assert_true(rj_trial_won(&yes));
	assert_false(rj_trial_won(&no));
	assert_int_equal(yes.ns_per_mib[0], 1000);
	assert_int_equal(yes.ns_per_mib[1], 999);
}

static void equals_stay_plain(void **state)
{
	const struct rj_trial trial = run(1000, 1000, 0);

	(void)state;
	assert_false(rj_trial_won(&trial));
}

static void a_disturbance_does_not_decide(void **state)
{
	const struct rj_trial trial = run(1000, 900, RJ_TRIAL_GROUP);

	(void)state;
	assert_true(rj_trial_won(&trial));
}

static void both_ways_get_their_turns(void **state)
{
	struct rj_trial trial = { 0 };
	unsigned turns[2] = { 0 };

	(void)state;
	while (!rj_trial_is_over(&trial)) {
		turns[rj_trial_turn(&trial)]++;
		rj_trial_add(&trial, 1, 4096);
	}
	assert_int_equal(turns[0], RJ_TRIAL_FRAMES - turns[1]);
	assert_int_equal(turns[1], RJ_TRIAL_GROUPS / 2 * RJ_TRIAL_GROUP);
}

static void frames_of_any_size_count_by_their_bytes(void **state)
{
	struct rj_trial trial = { 0 };

	(void)state;
	/* 2 ns a page, 1 ns a page */
	for (unsigned i = 0; !rj_trial_is_over(&trial); i++)
		rj_trial_add(&trial, (i % 7 + 1) * (2 - rj_trial_turn(&trial)),
			     (i % 7 + 1) * 4096);
	assert_true(rj_trial_won(&trial));
	assert_int_equal(trial.ns_per_mib[0], 512);
	assert_int_equal(trial.ns_per_mib[1], 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_faster_way_wins),
		cmocka_unit_test(equals_stay_plain),
		cmocka_unit_test(a_disturbance_does_not_decide),
		cmocka_unit_test(both_ways_get_their_turns),
		cmocka_unit_test(frames_of_any_size_count_by_their_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
