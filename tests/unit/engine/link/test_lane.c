/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/link/lane.h"

/* A row each, x where it may go, in the order of the enum: connecting, open,
 * resting, draining, lost, rejoining, closed. */
static const char *const follow[] = {
	[RJ_LANE_CONNECTING] = ".x..x..", [RJ_LANE_OPEN] = "..xxx..",
	[RJ_LANE_RESTING] = ".x.xx..",    [RJ_LANE_DRAINING] = ".x..x.x",
	[RJ_LANE_LOST] = ".....x.",       [RJ_LANE_REJOINING] = ".x..x..",
	[RJ_LANE_CLOSED] = ".......",
};

static void only_steps_of_the_table_are_legal(void **state)
{
	(void)state;
	for (int from = 0; from <= RJ_LANE_COUNT_; from++)
		for (int to = 0; to <= RJ_LANE_COUNT_; to++)
			assert_int_equal(
				rj_lane_may_follow((enum rj_lane_state)from,
						   (enum rj_lane_state)to),
				from < RJ_LANE_COUNT_ && to < RJ_LANE_COUNT_ &&
					follow[from][to] == 'x');
}

static void a_lane_lives_and_ends(void **state)
{
	_Atomic uint32_t lane = 0;

	(void)state;
	assert_int_equal(rj_lane_state(&lane), RJ_LANE_CONNECTING);
	rj_lane_move(&lane, RJ_LANE_OPEN);
	rj_lane_move(&lane, RJ_LANE_OPEN);
	rj_lane_move(&lane, RJ_LANE_RESTING);
	assert_string_equal(rj_lane_state_name(rj_lane_state(&lane)), "idle");
	assert_false(rj_lane_is_over(rj_lane_state(&lane)));
	rj_lane_move(&lane, RJ_LANE_DRAINING);
	rj_lane_move(&lane, RJ_LANE_CLOSED);
	assert_true(rj_lane_is_over(rj_lane_state(&lane)));
	assert_true(rj_lane_is_over(RJ_LANE_LOST));
	assert_string_equal(rj_lane_state_name(RJ_LANE_COUNT_), "invalid");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_steps_of_the_table_are_legal),
		cmocka_unit_test(a_lane_lives_and_ends),
	};

	return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
