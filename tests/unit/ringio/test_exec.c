/* SPDX-License-Identifier: BSD-3-Clause */
/* exec:, and how it ended, whoever else reaps children here. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ringio/endpoint.h"
#include "ringio/exec.h"
#include "tests/unit/ringio/calls.h"

static void a_command_takes_and_gives_the_stream(void **state)
{
	char directory[32], path[64], got[6] = { 0 };
	struct rj_uri uri = uri_of("exec:cat >%s",
				   fresh_path(directory, path, sizeof(path)));
	struct rj_conn conn = connected_to(&uri);
	char text[64];

	(void)state;
	assert_int_equal(conn.kind, RJ_CONN_PIPE);
	assert_non_null(conn.command);
	rj_conn_describe(&conn, text, sizeof(text));
	assert_memory_equal(text, "exec process ", 13);
	assert_int_equal(rj_send_all(&conn, "hello", 5, 0, -1), 0);
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
	assert_null(conn.command);
	uri = uri_of("exec:cat %s", path);
	conn = incoming_of(&uri);
	assert_int_equal(rj_recv_all(&conn, got, 5, 0, -1), 0);
	assert_string_equal(got, "hello");
	assert_int_equal(rj_recv_all(&conn, got, 1, 0, -1), -ENODATA);
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
}

static void a_command_that_fails_says_how(void **state)
{
	struct rj_uri uri = uri_of("exec:exit 3");
	struct rj_conn conn = incoming_of(&uri);
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(rj_conn_close(&conn, 0, &err), -EPIPE);
	assert_says(&err, "exec: command exited with status 3");
	assert_int_equal(rj_conn_close(&conn, 0, &err), 0);
	uri = uri_of("exec:kill -9 $$");
	conn = connected_to(&uri);
	err = (struct ramjet_error){ 0 };
	assert_int_equal(rj_conn_close(&conn, 0, &err), -EPIPE);
	assert_says(&err, "killed by signal 9");
}

static void a_command_that_does_not_end_is_killed_with_its_group(void **state)
{
	struct rj_uri uri = uri_of("exec:sleep 1000 & echo up; sleep 1000");
	struct rj_conn conn = incoming_of(&uri);
	struct ramjet_error err = { 0 };
	pid_t group = rj_exec_pid(conn.command), child;
	char up[3];
	int status;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(rj_recv_all(&conn, up, sizeof(up), 0, -1), 0);
	assert_int_equal(rj_conn_close(&conn, 1, &err), -ETIMEDOUT);
	assert_says(&err, "killed");
	/* Its orphans are ours now, and dead. */
	while ((child = waitpid(-group, &status, 0)) > 0)
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

static void a_command_inherits_nothing_of_ours(void **state)
{
	int leak = dup2(STDIN_FILENO, 77);
	struct rj_uri uri = uri_of("exec:test ! -e /proc/self/fd/77 && "
				   "test -z \"$(cat)\" && kill -PIPE $$");
	struct ramjet_error err = { 0 };
	struct rj_conn conn;

	(void)state;
	assert_int_equal(leak, 77);
	/* Ignored here; the command must not find it so. */
	(void)signal(SIGPIPE, SIG_IGN);
	conn = incoming_of(&uri);
	assert_int_equal(rj_conn_close(&conn, 0, &err), -EPIPE);
	assert_says(&err, "killed by signal 13");
	(void)signal(SIGPIPE, SIG_DFL);
	(void)close(leak);
}

static void ends_with(const char *command, bool writing, int status)
{
	struct rj_uri uri = uri_of("exec:%s", command);
	struct rj_conn conn = writing ? connected_to(&uri) : incoming_of(&uri);
	struct ramjet_error err = { 0 };
	const int rc = rj_conn_close(&conn, 0, &err);
	char text[32];

	(void)snprintf(text, sizeof(text), "status %d", status);
	assert_int_equal(rc, status ? -EPIPE : 0);
	if (status)
		assert_says(&err, text);
}

static void all_ends(void)
{
	ends_with("true", false, 0);
	ends_with("cat >/dev/null", true, 0);
	ends_with("exit 7", true, 7);
	ends_with("exec false", false, 1);
	ends_with("kill -15 $$", true, 143);
	ends_with("kill -9 0", true, 137);
}

static void no_zombie_stays(void **state)
{
	(void)state;
	all_ends();
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void set_action(void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_flags = flags };

	action.sa_handler = handler;
	assert_int_equal(sigaction(SIGCHLD, &action, NULL), 0);
}

/* The kernel reaps for such a process: nothing is there to wait for. The one
 * that kills all of its session, its waiting shell too, is heard of no more. */
static void a_process_that_ignores_children_hears_all_the_same(void **state)
{
	struct rj_uri uri = uri_of("exec:kill -9 0");
	struct ramjet_error err = { 0 };
	struct rj_conn conn;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		set_action(i ? SIG_DFL : SIG_IGN, i ? SA_NOCLDWAIT : 0);
		ends_with("true", false, 0);
		ends_with("cat >/dev/null", true, 0);
		ends_with("exit 7", true, 7);
		/* The command is not to find it so. */
		ends_with("sh -c 'exit 3'; test $? = 3", true, 0);
		conn = connected_to(&uri);
		err = (struct ramjet_error){ 0 };
		assert_int_equal(rj_conn_close(&conn, 0, &err), -EPIPE);
		assert_says(&err, "exit status is lost");
	}
	set_action(SIG_DFL, 0);
}

static _Atomic unsigned reaped;

static void reap_all(int signal)
{
	const int saved = errno;

	(void)signal;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		atomic_fetch_add(&reaped, 1);
	errno = saved;
}

static _Atomic bool over;

static void *reap_on(void *argument)
{
	(void)argument;
	while (!atomic_load(&over))
		if (waitpid(-1, NULL, 0) > 0)
			atomic_fetch_add(&reaped, 1);
	return NULL;
}

/* A VMM that reaps whatever there is, in a handler or in a thread. */
static void a_process_that_reaps_everything_changes_nothing(void **state)
{
	pthread_t thread;

	(void)state;
	set_action(reap_all, SA_RESTART);
	for (unsigned i = 0; i < 50; i++) {
		ends_with("true", false, 0);
		ends_with("exit 7", true, 7);
	}
	set_action(SIG_DFL, 0);
	atomic_store(&over, false);
	assert_int_equal(pthread_create(&thread, NULL, reap_on, NULL), 0);
	for (unsigned i = 0; i < 50; i++) {
		ends_with("true", false, 0);
		ends_with("exit 7", true, 7);
	}
	atomic_store(&over, true);
	(void)pthread_join(thread, NULL);
	assert_true(atomic_load(&reaped) > 0);
}

/* Number and place of a descriptor of ours must not matter. */
static void a_process_without_standard_descriptors(void **state)
{
	int saved[3];

	(void)state;
	for (int fd = 0; fd < 3; fd++) {
		saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 20);
		(void)close(fd);
	}
	ends_with("cat >/dev/null", true, 0);
	ends_with("exit 7", false, 7);
	for (int fd = 0; fd < 3; fd++) {
		(void)dup2(saved[fd], fd);
		(void)close(saved[fd]);
	}
}

static void a_process_that_may_open_little(void **state)
{
	struct rlimit old, few;
	const int next = dup(STDIN_FILENO);

	(void)state;
	assert_true(next > 2);
	(void)close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	/* A pipe, a socket pair, and one that is raised beside its old self;
	 * shells want 10 for themselves. */
	few.rlim_cur = (rlim_t)(next > 6 ? next + 5 : 11);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	ends_with("cat >/dev/null", true, 0);
	ends_with("exit 7", false, 7);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_takes_and_gives_the_stream),
		cmocka_unit_test(a_command_that_fails_says_how),
		cmocka_unit_test(
			a_command_that_does_not_end_is_killed_with_its_group),
		cmocka_unit_test(a_command_inherits_nothing_of_ours),
		cmocka_unit_test(no_zombie_stays),
		cmocka_unit_test(
			a_process_that_ignores_children_hears_all_the_same),
		cmocka_unit_test(
			a_process_that_reaps_everything_changes_nothing),
		cmocka_unit_test(a_process_without_standard_descriptors),
		cmocka_unit_test(a_process_that_may_open_little),
	};

	return cmocka_run_group_tests_name("exec", tests, NULL, NULL);
}
