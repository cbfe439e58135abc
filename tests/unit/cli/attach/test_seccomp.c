/* SPDX-License-Identifier: BSD-3-Clause */
/* What a filter would do is known before it does it. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/attach/inject.h"
#include "cli/attach/inject_net.h"
#include "cli/attach/seccomp.h"
#include "victim.h"

#define NR      offsetof(struct seccomp_data, nr)
#define ARG0    offsetof(struct seccomp_data, args)
#define LOAD(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, n)
#define GIVE(a) BPF_STMT(BPF_RET | BPF_K, a)

static uint32_t run(const struct sock_filter *filter, size_t count, int number,
		    uint64_t argument)
{
	const struct rj_seccomp_call call = { .number = number,
					      .args = { argument } };

	return rj_seccomp_run(filter, count, &call);
}

/* ---- the machine ------------------------------------------------------- */

static void filters_are_run_as_the_kernel_runs_them(void **state)
{
	const struct sock_filter by_number[] = {
		LOAD(NR),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 100, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 200, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		GIVE(SECCOMP_RET_ALLOW),
		GIVE(SECCOMP_RET_ERRNO | EPERM),
	};
	const struct sock_filter by_argument[] = {
		LOAD(ARG0),
		BPF_STMT(BPF_ST, 3),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_MEM, 3),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 4),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	const struct sock_filter endless[] = { LOAD(NR) };

	(void)state;
	assert_int_equal(run(by_number, 6, 99, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(run(by_number, 6, 200, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(run(by_number, 6, 100, 0), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(run(by_argument, 8, 0, 0x1ab), 0x10b0);
	assert_int_equal(run(endless, 1, 0, 0), SECCOMP_RET_KILL_PROCESS);
}

/* ---- processes that have one ------------------------------------------- */

static uint32_t action; /* on userfaultfd() */
static bool hides;      /* is of a user that may not read filters */

static void filtered(struct victim_board *board)
{
	struct sock_filter filter[] = {
		LOAD(NR),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
		GIVE(action),
		GIVE(SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { RJ_ARRAY_SIZE(filter), filter };

	if (hides)
		become_user(NOBODY, true);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
		_exit(3);
	victim_computes(board);
}

static int inject(void *user, char *text, size_t bytes)
{
	const struct victim *victim = user;
	struct rj_attach_injected got = { .uffd = -1 };
	struct ramjet_error err = { 0 };
	int rc = rj_attach_inject(victim->pid, victim->pidfd, NULL, &got, &err);

	(void)snprintf(text, bytes, "%s", err.message);
	if (!rc)
		(void)close(got.uffd);
	return rc;
}

static void lives_on(const struct victim *victim)
{
	victim_await(victim, &victim->board->rounds,
		     atomic_load(&victim->board->rounds) + 2);
	assert_int_equal(victim_uffds(victim), 0);
}

static void need_root(void)
{
	if (RJ_INJECT_WORKS && !geteuid() && !rj_seccomp_count(getpid()))
		return;
	print_message("# skipped: not root, or in seccomp\n");
	skip();
}

static void a_filter_that_forbids_is_not_provoked(void **state)
{
	const uint32_t actions[] = {
		SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD,
		SECCOMP_RET_TRAP,         SECCOMP_RET_ERRNO | ENOSYS,
		SECCOMP_RET_TRACE,
	};

	(void)state;
	need_root();
	hides = false;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(actions); i++) {
		struct victim victim;
		char text[600];

		action = actions[i];
		victim_start(&victim, filtered);
		assert_int_equal(rj_seccomp_count(victim.pid), 1);
		assert_int_equal(inject(&victim, text, sizeof(text)), -EPERM);
		assert_non_null(strstr(text, "its seccomp filter forbids"));
		lives_on(&victim);
		victim_end(&victim);
	}
}

static void a_filter_that_allows_it_lets_it_pass(void **state)
{
	struct victim victim;
	char text[600];

	(void)state;
	need_root();
	hides = false;
	action = SECCOMP_RET_ALLOW;
	victim_start(&victim, filtered);
	if (inject(&victim, text, sizeof(text)))
		fail_msg("%s", text);
	lives_on(&victim);
	victim_end(&victim);
}

static void a_filter_that_may_not_be_read_is_not_tried(void **state)
{
	struct victim victim;
	char text[600];

	(void)state;
	need_root();
	hides = true;
	action = SECCOMP_RET_KILL_PROCESS;
	victim_start(&victim, filtered);
	assert_int_equal(as_user(NOBODY, inject, &victim, text, sizeof(text)),
			 -EPERM);
	assert_non_null(strstr(text, "may not be read"));
	assert_non_null(strstr(text, "via=preload"));
	lives_on(&victim);
	victim_end(&victim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_are_run_as_the_kernel_runs_them),
		cmocka_unit_test(a_filter_that_forbids_is_not_provoked),
		cmocka_unit_test(a_filter_that_allows_it_lets_it_pass),
		cmocka_unit_test(a_filter_that_may_not_be_read_is_not_tried),
	};

	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL);
}
