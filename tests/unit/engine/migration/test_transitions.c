/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/migration/transitions.h"
#include "util/compiler.h"

/* docs/states.md, written down once more, a row a state: where it may go. */
static const struct {
	enum ramjet_state from;
	const char *name;
	bool before_commit, final;
	enum ramjet_state to[5]; /* NONE ends it: nothing goes back there */
} rows[] = {
	{ RAMJET_STATE_NONE,
	  "none",
	  true,
	  false,
	  { RAMJET_STATE_SETUP, RAMJET_STATE_FAILED,
	    RAMJET_STATE_CANCELLING } },
	{ RAMJET_STATE_SETUP,
	  "setup",
	  true,
	  false,
	  { RAMJET_STATE_ACTIVE, RAMJET_STATE_FAILED,
	    RAMJET_STATE_CANCELLING } },
	{ RAMJET_STATE_ACTIVE,
	  "active",
	  true,
	  false,
	  { RAMJET_STATE_HELD, RAMJET_STATE_SWITCHOVER, RAMJET_STATE_FAILED,
	    RAMJET_STATE_CANCELLING } },
	{ RAMJET_STATE_HELD,
	  "held",
	  true,
	  false,
	  { RAMJET_STATE_ACTIVE, RAMJET_STATE_SWITCHOVER, RAMJET_STATE_FAILED,
	    RAMJET_STATE_CANCELLING } },
	{ RAMJET_STATE_SWITCHOVER,
	  "switchover",
	  true,
	  false,
	  { RAMJET_STATE_ACTIVE, RAMJET_STATE_COMMITTED, RAMJET_STATE_FAILED,
	    RAMJET_STATE_CANCELLING } },
	{ RAMJET_STATE_COMMITTED,
	  "committed",
	  false,
	  false,
	  { RAMJET_STATE_COMPLETED, RAMJET_STATE_UNCONFIRMED,
	    RAMJET_STATE_FAILED } },
	{ RAMJET_STATE_COMPLETED, "completed", false, true, { 0 } },
	{ RAMJET_STATE_FAILED, "failed", false, true, { 0 } },
	{ RAMJET_STATE_CANCELLING,
	  "cancelling",
	  false,
	  false,
	  { RAMJET_STATE_CANCELLED, RAMJET_STATE_FAILED } },
	{ RAMJET_STATE_CANCELLED, "cancelled", false, true, { 0 } },
	{ RAMJET_STATE_UNCONFIRMED, "unconfirmed", false, true, { 0 } },
};

static bool row_allows(size_t row, enum ramjet_state to)
{
	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows[row].to); i++)
		if (rows[row].to[i] && rows[row].to[i] == to)
			return true;
	return false;
}

static void every_pair_of_states_is_as_documented(void **state)
{
	(void)state;
	assert_int_equal(RJ_ARRAY_SIZE(rows), RAMJET_STATE_COUNT_);
	for (size_t row = 0; row < RJ_ARRAY_SIZE(rows); row++) {
		assert_int_equal(rows[row].from, row);
		for (unsigned to = 0; to < RAMJET_STATE_COUNT_; to++)
			if (rj_state_may_follow(rows[row].from, to) !=
			    row_allows(row, to))
				fail_msg("%s -> %s", rows[row].name,
					 ramjet_state_name(to));
	}
}

static void states_out_of_range_lead_nowhere(void **state)
{
	const enum ramjet_state wild = RAMJET_STATE_COUNT_;

	(void)state;
	assert_false(rj_state_may_follow(wild, RAMJET_STATE_FAILED));
	assert_false(rj_state_may_follow(RAMJET_STATE_NONE, wild));
	assert_false(rj_state_may_follow((enum ramjet_state) - 1,
					 RAMJET_STATE_FAILED));
	assert_false(rj_state_may_follow(RAMJET_STATE_NONE,
					 (enum ramjet_state) - 1));
}

static void names_are_those_of_the_documents(void **state)
{
	(void)state;
	for (size_t row = 0; row < RJ_ARRAY_SIZE(rows); row++)
		assert_string_equal(ramjet_state_name(rows[row].from),
				    rows[row].name);
	assert_string_equal(ramjet_state_name(RAMJET_STATE_COUNT_), "invalid");
	assert_string_equal(ramjet_state_name((enum ramjet_state) - 1),
			    "invalid");
}

static void cancel_counts_before_the_commit_only(void **state)
{
	(void)state;
	for (size_t row = 0; row < RJ_ARRAY_SIZE(rows); row++)
		assert_int_equal(rj_state_is_before_commit(rows[row].from),
				 rows[row].before_commit);
}

static void final_states_are_those_without_a_way_out(void **state)
{
	(void)state;
	for (size_t row = 0; row < RJ_ARRAY_SIZE(rows); row++) {
		assert_int_equal(ramjet_state_is_final(rows[row].from),
				 rows[row].final);
		assert_int_equal(rows[row].to[0] == RAMJET_STATE_NONE,
				 rows[row].final);
	}
	assert_false(ramjet_state_is_final(RAMJET_STATE_COUNT_));
}

static void what_is_decided_is_not_undone(void **state)
{
	/* A row each, x where it may go: in the order of the enum. */
	static const char *const follow[] = {
		[RJ_WILL_GO_ON] = ".xxx.x",     [RJ_WILL_PROMISED] = "....xx",
		[RJ_WILL_MAY_LEAVE] = "...x.x", [RJ_WILL_CANCEL] = "......",
		[RJ_WILL_BREAK] = "......",     [RJ_WILL_LEFT] = "......",
	};

	(void)state;
	for (int from = 0; from <= RJ_WILL_COUNT_; from++)
		for (int to = 0; to <= RJ_WILL_COUNT_; to++)
			assert_int_equal(rj_will_may_follow((enum rj_will)from,
							    (enum rj_will)to),
					 from < RJ_WILL_COUNT_ &&
						 to < RJ_WILL_COUNT_ &&
						 follow[from][to] == 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_decided_is_not_undone),
		cmocka_unit_test(every_pair_of_states_is_as_documented),
		cmocka_unit_test(states_out_of_range_lead_nowhere),
		cmocka_unit_test(names_are_those_of_the_documents),
		cmocka_unit_test(cancel_counts_before_the_commit_only),
		cmocka_unit_test(final_states_are_those_without_a_way_out),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
