/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "cli/report_json.h"

static void a_helper_left_alone_is_not_one_with_an_empty_state(void **state)
{
	struct ramjet_helper_info helpers[] = {
		{ .id = "empty", .takes_part = true, .loaded = true },
		{ .id = "new", .takes_part = false },
	};
	const struct ramjet_info info = { .helpers = helpers,
					  .helper_count = 2 };
	const struct rj_cli_command_line line = { .command = RJ_CLI_RECV };
	const struct rj_cli_report report = { .line = &line, .info = &info };
	json_t *object = rj_cli_report_build(&report);
	int alone[2] = { -1, -1 };

	(void)state;
	assert_int_equal(json_unpack(object, "{s:[{s:b}, {s:b}]}", "helpers",
				     "left_alone", &alone[0], "left_alone",
				     &alone[1]),
			 0);
	assert_false(alone[0]);
	assert_true(alone[1]);
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_helper_left_alone_is_not_one_with_an_empty_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
