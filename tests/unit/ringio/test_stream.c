/* SPDX-License-Identifier: BSD-3-Clause */
/* fd: and exec:, and whole-buffer transfers. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ringio/endpoint.h"
#include "tests/unit/ringio/calls.h"
#include "tests/unit/ringio/pair.h"

static void unfit_descriptors_are_refused_with_the_reason(void **state)
{
	int datagram = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int loose = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int event = event_new(0);
	struct rj_uri uri = uri_of("tcp:127.0.0.1:0");
	struct rj_listener listener = listener_of(&uri);
	int ends[2], path_only = open("/", O_PATH | O_CLOEXEC);
	int directory = open("/", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(pipe(ends), 0);
	uri = uri_of("fd:%d", datagram);
	connect_fails(&uri, -EINVAL, "not a stream socket");
	uri = uri_of("fd:%d", loose);
	connect_fails(&uri, -ENOTCONN, "connected socket");
	uri = uri_of("fd:%d", listener.fd);
	connect_fails(&uri, -EINVAL, "listening socket");
	uri = uri_of("fd:%d", ends[0]);
	connect_fails(&uri, -EBADF, "not open for writing");
	uri = uri_of("fd:%d", ends[1]);
	incoming_fails(&uri, -EBADF, "not open for reading");
	uri = uri_of("fd:%d", event);
	incoming_fails(&uri, -EINVAL, "neither socket nor pipe");
	uri = uri_of("fd:%d", directory);
	incoming_fails(&uri, -EINVAL, "neither socket nor pipe");
	uri = uri_of("fd:%d", path_only);
	incoming_fails(&uri, -EBADF, "not open for reading");
	rj_listener_close(&listener);
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)close(datagram);
	(void)close(loose);
	(void)close(event);
	(void)close(directory);
	(void)close(path_only);
	connect_fails(&uri, -EBADF, "not open in this process");
}

static void a_given_descriptor_stays_the_givers(void **state)
{
	struct rj_conn source, target;
	int ends[2];
	struct rj_uri uri;
	char byte = 0;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	uri = uri_of("fd:%d", ends[1]);
	source = connected_to(&uri);
	uri = uri_of("fd:%d", ends[0]);
	target = incoming_of(&uri);
	assert_int_equal(source.kind, RJ_CONN_PIPE);
	assert_true(source.fd != ends[1]);
	/* Whoever shares the pipe finds it as it was. */
	assert_false(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(source.fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(rj_send_all(source.fd, "a", 1, 0, -1), 0);
	assert_int_equal(rj_recv_all(target.fd, &byte, 1, 0, -1), 0);
	assert_int_equal(byte, 'a');
	assert_int_equal(rj_conn_close(&source, 0, NULL), 0);
	assert_int_equal(rj_conn_close(&target, 0, NULL), 0);
	assert_int_equal(write(ends[1], "b", 1), 1);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void an_end_tells_whether_it_was_clean(void **state)
{
	(void)state;
	for (int kind = 0; kind < PAIR_FILE; kind++) {
		struct pair pair;
		char got[4];

		if (!pair_open((enum pair_kind)kind, &pair))
			continue;
		assert_int_equal(
			rj_send_all(pair.source.fd, "1234567", 7, 0, -1), 0);
		assert_int_equal(rj_conn_close(&pair.source, 0, NULL), 0);
		assert_int_equal(rj_recv_all(pair.target.fd, got, 4, 0, -1), 0);
		assert_int_equal(rj_recv_all(pair.target.fd, got, 4, 0, -1),
				 -EPIPE);
		assert_int_equal(rj_recv_all(pair.target.fd, got, 4, 0, -1),
				 -ENODATA);
		assert_int_equal(rj_recv_all(pair.target.fd, got, 0, 0, -1), 0);
		pair_close(&pair);
	}
}

static void writing_to_a_closed_pipe_is_an_error_not_a_signal(void **state)
{
	struct pair pair;

	(void)state;
	assert_true(pair_open(PAIR_PIPE, &pair));
	assert_int_equal(rj_conn_close(&pair.target, 0, NULL), 0);
	assert_int_equal(rj_send_all(pair.source.fd, "x", 1, 0, -1), -EPIPE);
	pair_close(&pair);
}

static void a_command_takes_and_gives_the_stream(void **state)
{
	char directory[32], path[64], got[6] = { 0 };
	struct rj_uri uri = uri_of("exec:cat >%s",
				   fresh_path(directory, path, sizeof(path)));
	struct rj_conn conn = connected_to(&uri);
	char text[64];

	(void)state;
	assert_int_equal(conn.kind, RJ_CONN_PIPE);
	assert_true(conn.child > 0);
	rj_conn_describe(&conn, text, sizeof(text));
	assert_memory_equal(text, "exec process ", 13);
	assert_int_equal(rj_send_all(conn.fd, "hello", 5, 0, -1), 0);
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
	assert_int_equal(conn.child, 0);
	uri = uri_of("exec:cat %s", path);
	conn = incoming_of(&uri);
	assert_int_equal(rj_recv_all(conn.fd, got, 5, 0, -1), 0);
	assert_string_equal(got, "hello");
	assert_int_equal(rj_recv_all(conn.fd, got, 1, 0, -1), -ENODATA);
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
	pid_t group = conn.child, child;
	char up[3];
	int status;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(rj_recv_all(conn.fd, up, sizeof(up), 0, -1), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unfit_descriptors_are_refused_with_the_reason),
		cmocka_unit_test(a_given_descriptor_stays_the_givers),
		cmocka_unit_test(an_end_tells_whether_it_was_clean),
		cmocka_unit_test(
			writing_to_a_closed_pipe_is_an_error_not_a_signal),
		cmocka_unit_test(a_command_takes_and_gives_the_stream),
		cmocka_unit_test(a_command_that_fails_says_how),
		cmocka_unit_test(
			a_command_that_does_not_end_is_killed_with_its_group),
		cmocka_unit_test(a_command_inherits_nothing_of_ours),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
