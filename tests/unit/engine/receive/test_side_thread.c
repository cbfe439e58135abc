/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/receive/side_thread.h"

/* A user with no other threads: their number is limited by user. */
#define NOBODY_ELSE 54321u

static void *end_at_once(void *argument)
{
	return argument;
}

/* In a process of its own, whose user may have so many threads. */
static int start_with(rlim_t threads)
{
	const struct rlimit limit = { threads, threads };
	struct rj_side_thread side = { 0 };
	int rc, status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		if (setresuid(NOBODY_ELSE, NOBODY_ELSE, NOBODY_ELSE) ||
		    setrlimit(RLIMIT_NPROC, &limit))
			_exit(255);
		rc = rj_side_thread_start(&side, "test", 0, end_at_once, NULL);
		rj_side_thread_stop(&side);
		_exit(-rc);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void the_last_thread_is_left(void **state)
{
	(void)state;
	if (geteuid()) {
		print_message("# only root may become a user of its own\n");
		skip();
	}
	assert_int_equal(start_with(2), EAGAIN);
	assert_int_equal(start_with(8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_thread_is_left),
	};

	return cmocka_run_group_tests_name("side_thread", tests, NULL, NULL);
}
