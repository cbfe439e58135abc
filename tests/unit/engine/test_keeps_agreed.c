/* SPDX-License-Identifier: BSD-3-Clause */
/* What two sides agree on about lost connections, as both report it. What this
 * build can do is the test's. */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "engine/link/keeps.h"
#include "tests/unit/engine/move.h"

uint32_t __wrap_rj_keeps_built(void);
uint32_t __wrap_rj_keeps_built(void)
{
	return RJ_KEEPS_CONTROL;
}

static void expect_path(const struct ramjet_info *info, const char *chosen,
			const char *reason)
{
	for (size_t i = 0; i < info->fast_path_count; i++) {
		const struct ramjet_fast_path_info *path =
			RAMJET_AT(info->fast_paths, i);

		if (strcmp(path->name, "lost connections") != 0)
			continue;
		assert_string_equal(path->chosen, chosen);
		assert_string_equal(path->reason, reason);
		return;
	}
	fail_msg("nothing is said of lost connections");
}

static void move_with(struct move *move, enum move_over over,
		      uint32_t source_ms, uint32_t target_ms)
{
	move_init(move, &move_machine);
	move->source_params.reconnect_ms = source_ms;
	move->target_params.reconnect_ms = target_ms;
	move_begin(move, over);
	move_await(move);
	move_expect_done(move);
}

static void both_sides_say_what_is_in_force(void **state)
{
	struct move *move = *state;

	move_with(move, MOVE_UNIX, 20000, 5000);
	expect_path(move->info, "5 s", "for the control link");
	expect_path(move->target_info, "5 s", "for the control link");
	move_done(move);
	move_with(move, MOVE_TCP, 5000, 20000);
	expect_path(move->info, "5 s", "for the control link");
	expect_path(move->target_info, "5 s", "for the control link");
}

static void who_does_not_want_it_has_nothing_in_force(void **state)
{
	struct move *move = *state;

	move_with(move, MOVE_UNIX, 5000, 0);
	expect_path(move->info, "none", "the target does not want it");
	expect_path(move->target_info, "none", "as asked for");
	move_done(move);
	move_with(move, MOVE_UNIX, 0, 5000);
	expect_path(move->info, "none", "as asked for");
	expect_path(move->target_info, "none", "the source did not say so");
}

static void one_connection_comes_but_once(void **state)
{
	struct move *move = *state;

	move_with(move, MOVE_SOCKETPAIR, 5000, 5000);
	expect_path(move->info, "none",
		    "there is one connection, which comes but once");
	expect_path(move->target_info, "none",
		    "there is one connection, which comes but once");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(both_sides_say_what_is_in_force),
		MOVE_TEST(who_does_not_want_it_has_nothing_in_force),
		MOVE_TEST(one_connection_comes_but_once),
	};

	return cmocka_run_group_tests_name("keeps_agreed", tests, NULL, NULL);
}
