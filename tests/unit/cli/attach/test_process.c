/* SPDX-License-Identifier: BSD-3-Clause */
/* What is held of another process, and who may hold it. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/attach/findings.h"
#include "cli/attach/inject_net.h"
#include "cli/attach/peer.h"
#include "cli/attach/process.h"
#include "victim.h"

#define NOT_ROOT()                                              \
	do {                                                    \
		if (geteuid()) {                                \
			print_message("# skipped: not root\n"); \
			skip();                                 \
		}                                               \
	} while (0)

static int attach(const struct victim *victim, bool want_uffd,
		  struct rj_attach_process *ret, struct ramjet_error *err)
{
	const struct rj_attach_order order = { .pid = victim->pid,
					       .via = RJ_ATTACH_PTRACE,
					       .want_uffd = want_uffd };

	return rj_attach_process_open(&order, ret, err);
}

/* ---- what is there ----------------------------------------------------- */

static void memory_is_reached_both_ways(void **state)
{
	static char here[] = "before";
	struct rj_attach_process p;
	struct victim victim;
	char text[sizeof(here)] = "";
	struct iovec local = { text, sizeof(text) };
	struct iovec remote = { here, sizeof(here) };
	uint64_t entry = 0;

	(void)state;
	victim_start(&victim, victim_in_ppoll);
	assert_int_equal(attach(&victim, false, &p, NULL), 0);
	assert_int_equal(p.uffd, -1);
	assert_int_equal(p.held_us, 0);
	assert_int_equal(p.via, RJ_ATTACH_PTRACE);
	assert_true(p.vm_calls);
	/* A fork: its memory is where ours is. */
	assert_int_equal(pwrite(p.mem_fd, "after!", sizeof(here),
				(off_t)(uintptr_t)here),
			 sizeof(here));
	assert_string_equal(here, "before");
	assert_int_equal(process_vm_readv(p.pid, &local, 1, &remote, 1, 0),
			 sizeof(here));
	assert_string_equal(text, "after!");
	assert_int_equal(pread(p.pagemap_fd, &entry, sizeof(entry),
			       (off_t)((uintptr_t)here / 4096 * 8)),
			 sizeof(entry));
	assert_true(entry >> 63);
	assert_true(rj_attach_process_lives(&p));
	assert_int_equal(kill(victim.pid, SIGKILL), 0);
	while (rj_attach_process_lives(&p))
		(void)usleep(1);
	rj_attach_process_close(&p);
	rj_attach_process_close(&p);
	victim_end(&victim);
}

static void a_source_gets_a_userfaultfd(void **state)
{
	struct rj_attach_process p;
	struct victim victim;

	(void)state;
	if (!RJ_INJECT_WORKS)
		skip();
	victim_start(&victim, victim_computes);
	assert_int_equal(attach(&victim, true, &p, NULL), 0);
	assert_true(p.uffd >= 0);
	assert_true(p.held_us > 0);
	assert_int_equal(victim_uffds(&victim), 0);
	rj_attach_process_close(&p);
	victim_end(&victim);
}

static void one_that_is_gone_is_told(void **state)
{
	struct rj_attach_process p;
	struct ramjet_error err = { 0 };
	struct victim victim = { .pid = fork() };

	(void)state;
	if (!victim.pid)
		_exit(0);
	assert_int_equal(waitpid(victim.pid, NULL, 0), victim.pid);
	assert_int_equal(attach(&victim, true, &p, &err), -ESRCH);
	assert_non_null(strstr(err.message, "wanted one that runs"));
}

/* ---- rights ------------------------------------------------------------ */

static int try_attach(void *user, char *text, size_t bytes)
{
	struct ramjet_error err = { 0 };
	struct rj_attach_process p;
	int rc = attach(user, true, &p, &err);

	(void)snprintf(text, bytes, "%s", err.message);
	if (!rc)
		rj_attach_process_close(&p);
	return rc;
}

static void another_users_is_refused(void **state)
{
	struct victim victim;
	char text[600];

	(void)state;
	NOT_ROOT();
	victim_start(&victim, victim_computes);
	assert_int_equal(
		as_user(NOBODY, try_attach, &victim, text, sizeof(text)),
		-EPERM);
	assert_non_null(strstr(text, "its user is 0, ours 65534"));
	assert_non_null(strstr(text, "wanted CAP_SYS_PTRACE"));
	assert_int_equal(victim_uffds(&victim), 0);
	victim_end(&victim);
}

static void one_that_is_not_dumpable_is_refused(void **state)
{
	struct victim victim;
	char text[600];

	(void)state;
	NOT_ROOT();
	victim_start(&victim, victim_hidden);
	assert_int_equal(
		as_user(NOBODY, try_attach, &victim, text, sizeof(text)),
		-EPERM);
	assert_non_null(strstr(text, "it is not dumpable"));
	/* Root may. */
	assert_int_equal(try_attach(&victim, text, sizeof(text)), 0);
	assert_int_equal(victim_uffds(&victim), 0);
	victim_end(&victim);
}

static void the_same_user_may(void **state)
{
	struct victim victim;
	char text[600];

	(void)state;
	NOT_ROOT();
	victim_start(&victim, victim_of_nobody);
	if (as_user(NOBODY, try_attach, &victim, text, sizeof(text)))
		fail_msg("%s", text);
	victim_end(&victim);
}

/* ---- findings ---------------------------------------------------------- */

struct notes {
	char *text;
	size_t bytes;
};

static void note(void *user, bool ok, const char *line)
{
	struct notes *notes = user;
	const size_t used = strlen(notes->text);

	(void)snprintf(notes->text + used, notes->bytes - used, "%s %s\n",
		       ok ? "yes" : "no", line);
}

static int find(void *user, char *text, size_t bytes)
{
	struct victim *victim = user;
	struct notes notes = { text, bytes };

	return rj_attach_findings_tell(victim->pid, "/nonexistent/%p", note,
				       &notes);
}

static void findings_name_what_is_missing(void **state)
{
	struct victim victim;
	char text[2000] = "";

	(void)state;
	NOT_ROOT();
	victim_start(&victim, victim_computes);
	assert_int_equal(find(&victim, text, sizeof(text)), RJ_INJECT_WORKS);
	assert_non_null(strstr(text, "yes kernel: "));
	assert_non_null(strstr(text, "no preload /nonexistent/"));
	if (RJ_INJECT_WORKS)
		assert_non_null(strstr(text, "yes ptrace: may stop it"));
	assert_int_equal(as_user(NOBODY, find, &victim, text, 600), 0);
	assert_non_null(strstr(text, "yes kernel: "));
	if (RJ_INJECT_WORKS)
		assert_non_null(strstr(text, "its user is 0, ours 65534"));
	victim_end(&victim);
}

/* ---- the peer ---------------------------------------------------------- */

static void a_peer_that_is_no_qemu_is_refused(void **state)
{
	struct ramjet_error err = { 0 };
	pid_t pid = 0;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(rj_attach_peer_pid(ends[0], "qemu:/x", &pid, &err),
			 -EINVAL);
	assert_non_null(strstr(err.message, "is no QEMU, wanted pid=N"));
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* Starts the first process of a PID namespace of its own, which lives until
 * `stop` closes; says its pid, or 0 where there can't be one. */
static void first_of_a_namespace(int stop, int say)
{
	pid_t first = 0;
	char byte;

	if (!unshare(CLONE_NEWPID)) {
		first = fork();
		if (!first)
			_exit((int)read(stop, &byte, 1));
	}
	(void)!write(say, &first, sizeof(first));
	if (first > 0)
		(void)waitpid(first, NULL, 0);
	_exit(0);
}

static void threads_are_known_by_what_they_call_themselves(void **state)
{
	int stop[2], say[2];
	pid_t child, first = 0;

	(void)state;
	assert_true(rj_attach_pid_has_thread(getpid(), gettid()));
	assert_false(rj_attach_pid_has_thread(getpid(), getppid()));
	assert_int_equal(pipe(stop), 0);
	assert_int_equal(pipe(say), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		(void)close(stop[1]);
		first_of_a_namespace(stop[0], say[1]);
	}
	assert_int_equal(read(say[0], &first, sizeof(first)), sizeof(first));
	if (first > 0) {
		assert_true(rj_attach_pid_has_thread(first, 1));
		assert_false(rj_attach_pid_has_thread(first, first));
	} else {
		print_message("# no PID namespace is to be had here\n");
	}
	(void)close(stop[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(rj_attach_pid_has_thread(child, child));
	(void)close(stop[0]);
	(void)close(say[0]);
	(void)close(say[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_reached_both_ways),
		cmocka_unit_test(a_source_gets_a_userfaultfd),
		cmocka_unit_test(one_that_is_gone_is_told),
		cmocka_unit_test(another_users_is_refused),
		cmocka_unit_test(one_that_is_not_dumpable_is_refused),
		cmocka_unit_test(the_same_user_may),
		cmocka_unit_test(findings_name_what_is_missing),
		cmocka_unit_test(a_peer_that_is_no_qemu_is_refused),
		cmocka_unit_test(
			threads_are_known_by_what_they_call_themselves),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
