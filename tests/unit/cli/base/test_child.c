/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "cli/base/child.h"

static struct rj_cli_child shell(const char *script, bool listen, int kept)
{
	char *argv[] = { "sh", "-c", (char *)script, NULL };
	const struct rj_cli_child_order order = {
		.what = "shell",
		.program = "/bin/sh",
		.argv = argv,
		.listen = listen,
		.kept = { kept, -1 },
	};
	struct rj_cli_child child;
	struct ramjet_error err = { 0 };

	if (rj_cli_child_start(&order, &child, &err))
		fail_msg("%s", err.message);
	return child;
}

static void lines_come_one_by_one_and_end(void **state)
{
	struct rj_cli_child child =
		shell("echo one; echo two; printf thr; echo no >&2", true, -1);
	char text[8];

	(void)state;
	assert_true(rj_cli_child_line(child.said_fd, text, sizeof(text)));
	assert_string_equal(text, "one");
	assert_true(rj_cli_child_line(child.said_fd, text, sizeof(text)));
	assert_string_equal(text, "two");
	assert_false(rj_cli_child_line(child.said_fd, text, sizeof(text)));
	assert_string_equal(text, "thr");
	assert_int_equal(rj_cli_child_reap(&child, 60000), 0);
	rj_cli_child_words(&child, text, sizeof(text));
	assert_string_equal(text, "no");
	rj_cli_child_done(&child);
	assert_int_equal(child.said_fd, -1);
}

static void last_words_are_one_line(void **state)
{
	struct rj_cli_child child =
		shell("echo out; echo err >&2; exit 7", false, -1);
	char text[64];

	(void)state;
	assert_int_equal(child.said_fd, -1);
	assert_int_equal(rj_cli_child_reap(&child, 60000), 7);
	rj_cli_child_words(&child, text, sizeof(text));
	assert_string_equal(text, "out err");
	rj_cli_child_done(&child);
}

static void a_straggler_is_ended(void **state)
{
	struct rj_cli_child child =
		shell("echo; while :; do sleep 1000; done", true, -1);
	char text[8];

	(void)state;
	assert_true(rj_cli_child_line(child.said_fd, text, sizeof(text)));
	assert_int_equal(rj_cli_child_reap(&child, 0), 128 + SIGTERM);
	assert_int_equal(child.pid, 0);
	rj_cli_child_done(&child);
}

static void it_gets_what_is_kept_and_nothing_else(void **state)
{
	int ends[2];
	char text[80];
	struct rj_cli_child child;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	(void)snprintf(text, sizeof(text),
		       "for n in %d %d; do [ -e /proc/$$/fd/$n ] && echo $n; "
		       "done",
		       ends[0], ends[1]);
	child = shell(text, true, ends[1]);
	assert_true(rj_cli_child_line(child.said_fd, text, sizeof(text)));
	assert_int_equal(strtol(text, NULL, 10), ends[1]);
	assert_false(rj_cli_child_line(child.said_fd, text, sizeof(text)));
	rj_cli_child_done(&child);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void a_program_that_is_not_there_exits_with_127(void **state)
{
	char *argv[] = { "none", NULL };
	const struct rj_cli_child_order order = {
		.what = "none",
		.program = "/nonexistent/program",
		.argv = argv,
		.listen = true,
		.kept = { -1, -1 },
	};
	struct rj_cli_child child;
	char text[80];

	(void)state;
	assert_int_equal(rj_cli_child_start(&order, &child, NULL), 0);
	assert_false(rj_cli_child_line(child.said_fd, text, sizeof(text)));
	assert_int_equal(rj_cli_child_reap(&child, 60000), 127);
	rj_cli_child_words(&child, text, sizeof(text));
	assert_string_equal(text,
			    "/nonexistent/program: No such file or directory");
	rj_cli_child_done(&child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_one_by_one_and_end),
		cmocka_unit_test(last_words_are_one_line),
		cmocka_unit_test(a_straggler_is_ended),
		cmocka_unit_test(it_gets_what_is_kept_and_nothing_else),
		cmocka_unit_test(a_program_that_is_not_there_exits_with_127),
	};

	return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
