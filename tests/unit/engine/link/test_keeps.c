/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "engine/link/keeps.h"
#include "engine/link/keeps_built.h"

#define BOTH (RJ_KEEPS_LANES | RJ_KEEPS_CONTROL)

static const struct {
	struct rj_keeps ours, theirs;
	bool have_said;
	struct rj_kept kept;
	const char *chosen, *reason;
} cases[] = {
	{ { 10000, BOTH },
	  { 7000, BOTH },
	  true,
	  { true, true, 7000 },
	  "7 s",
	  "for channels and control link" },
	{ { 1500, BOTH },
	  { 7000, BOTH | 1u << 9 },
	  true,
	  { true, true, 1500 },
	  "1.5 s",
	  "for channels and control link" },
	{ { 1000, BOTH },
	  { 1000, RJ_KEEPS_LANES },
	  true,
	  { true, false, 1000 },
	  "1 s",
	  "for channels" },
	{ { 1000, RJ_KEEPS_CONTROL },
	  { 1000, BOTH },
	  true,
	  { false, true, 1000 },
	  "1 s",
	  "for the control link" },
	{ { 1000, RJ_KEEPS_CONTROL },
	  { 1000, RJ_KEEPS_LANES },
	  true,
	  { false, false, 0 },
	  "none",
	  "the target cannot" },
	{ { 1000, BOTH },
	  { 0, BOTH },
	  true,
	  { false, false, 0 },
	  "none",
	  "the target does not want it" },
	{ { 1000, BOTH },
	  { 0, 0 },
	  false,
	  { false, false, 0 },
	  "none",
	  "the target did not say so" },
	{ { 0, BOTH },
	  { 1000, BOTH },
	  true,
	  { false, false, 0 },
	  "none",
	  "as asked for" },
};

static void the_smaller_of_both_is_in_force(void **state)
{
	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(cases); i++) {
		const struct rj_keeps *theirs =
			cases[i].have_said ? &cases[i].theirs : NULL;
		const struct rj_kept kept =
			rj_keeps_settle(&cases[i].ours, theirs);
		const struct rj_keeps_text text = rj_keeps_describe(
			&cases[i].ours, theirs, RJ_KEEPS_LISTENS, "target");

		assert_int_equal(kept.lanes_may_be_lost,
				 cases[i].kept.lanes_may_be_lost);
		assert_int_equal(kept.control_may_return,
				 cases[i].kept.control_may_return);
		assert_int_equal(kept.reconnect_ms, cases[i].kept.reconnect_ms);
		assert_string_equal(text.chosen, cases[i].chosen);
		assert_string_equal(text.reason, cases[i].reason);
	}
}

static void only_what_can_be_is_offered(void **state)
{
	const struct ramjet_params params = { .reconnect_ms = 5000 };
	const uint32_t built = rj_keeps_built();
	struct rj_keeps keeps = rj_keeps_ours(&params, RJ_KEEPS_LISTENS);

	(void)state;
	assert_int_equal(keeps.reconnect_ms, 5000);
	assert_int_equal(keeps.features, built);
	keeps = rj_keeps_ours(&params, RJ_KEEPS_GIVEN);
	assert_int_equal(keeps.reconnect_ms, 5000);
	assert_int_equal(keeps.features, built & RJ_KEEPS_LANES);
	keeps = rj_keeps_ours(&params, RJ_KEEPS_NONE);
	assert_int_equal(keeps.reconnect_ms, 0);
	assert_int_equal(keeps.features, 0);
	assert_string_equal(
		rj_keeps_describe(&keeps, NULL, RJ_KEEPS_NONE, "source").reason,
		"there is one connection, which comes but once");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_smaller_of_both_is_in_force),
		cmocka_unit_test(only_what_can_be_is_offered),
	};

	return cmocka_run_group_tests_name("keeps", tests, NULL, NULL);
}
