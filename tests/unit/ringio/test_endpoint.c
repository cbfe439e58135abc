/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ringio/endpoint.h"
#include "tests/unit/ringio/pair.h"
#include "util/clock.h"
#include "util/compiler.h"

static struct rj_uri uri_of(const char *format, ...) RJ_PRINTF(1, 2);
static struct rj_uri uri_of(const char *format, ...)
{
	struct ramjet_error err = { 0 };
	struct rj_uri uri;
	char text[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (rj_uri_parse(text, &uri, &err))
		fail_msg("%s", err.message);
	return uri;
}

static struct rj_listener listener_of(const struct rj_uri *uri)
{
	struct ramjet_error err = { 0 };
	struct rj_listener listener;

	if (rj_listen(uri, &listener, &err))
		fail_msg("%s", err.message);
	return listener;
}

static struct rj_conn connected_to(const struct rj_uri *uri)
{
	struct ramjet_error err = { 0 };
	struct rj_conn conn;

	if (rj_connect(uri, 0, -1, &conn, &err))
		fail_msg("%s", err.message);
	return conn;
}

static struct rj_conn incoming_of(const struct rj_uri *uri)
{
	struct ramjet_error err = { 0 };
	struct rj_conn conn;

	if (rj_open_incoming(uri, &conn, &err))
		fail_msg("%s", err.message);
	return conn;
}

static void assert_says(const struct ramjet_error *err, const char *part)
{
	if (!strstr(err->message, part))
		fail_msg("'%s' does not say '%s'", err->message, part);
}

/* The call fails with `code`, and the message has `part` in it. */
static void connect_fails(const struct rj_uri *uri, int code, const char *part)
{
	struct ramjet_error err = { 0 };
	struct rj_conn conn = RJ_CONN_NONE;

	assert_int_equal(rj_connect(uri, 0, -1, &conn, &err), code);
	assert_int_equal(err.code, code);
	assert_says(&err, part);
	assert_int_equal(conn.fd, -1);
}

static void listen_fails(const struct rj_uri *uri, int code, const char *part)
{
	struct ramjet_error err = { 0 };
	struct rj_listener listener;

	assert_int_equal(rj_listen(uri, &listener, &err), code);
	assert_says(&err, part);
}

static void incoming_fails(const struct rj_uri *uri, int code, const char *part)
{
	struct ramjet_error err = { 0 };
	struct rj_conn conn;

	assert_int_equal(rj_open_incoming(uri, &conn, &err), code);
	assert_says(&err, part);
}

static void exchange(struct rj_listener *listener, struct rj_conn *source)
{
	struct rj_conn target;
	char got[6];

	assert_int_equal(rj_accept(listener, 0, -1, &target, NULL), 0);
	assert_int_equal(rj_send_all(source->fd, "ping", 5, 0, -1), 0);
	assert_int_equal(rj_recv_all(target.fd, got, 5, 0, -1), 0);
	assert_string_equal(got, "ping");
	assert_int_equal(rj_send_all(target.fd, "pong", 5, 0, -1), 0);
	assert_int_equal(rj_recv_all(source->fd, got, 5, 0, -1), 0);
	assert_string_equal(got, "pong");
	assert_int_equal(rj_conn_close(source, 0, NULL), 0);
	assert_int_equal(rj_conn_close(&target, 0, NULL), 0);
}

static int event_new(unsigned count)
{
	int fd = eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

/* An unused name in a directory of its own, so that nothing is in the way. */
static const char *fresh_path(char *directory, char *path, size_t size)
{
	memcpy(directory, "/tmp/rj-endpoint-XXXXXX", 24);
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, size, "%s/name", directory);
	return path;
}

static void every_end_is_nonblocking_and_closed_on_exec(void **state)
{
	(void)state;
	for (int kind = 0; kind < PAIR_KINDS; kind++) {
		struct pair pair;

		if (!pair_open((enum pair_kind)kind, &pair))
			continue;
		assert_true(fcntl(pair.source.fd, F_GETFD) & FD_CLOEXEC);
		if (kind == PAIR_FILE)
			pair_open_target(&pair);
		else
			assert_true(fcntl(pair.source.fd, F_GETFL) &
				    fcntl(pair.target.fd, F_GETFL) &
				    O_NONBLOCK);
		assert_true(fcntl(pair.target.fd, F_GETFD) & FD_CLOEXEC);
		pair_close(&pair);
		pair_close(&pair); /* closing twice is harmless */
	}
}

static void connections_describe_themselves(void **state)
{
	static const char *const starts[PAIR_KINDS] = {
		"tcp 127.0.0.1:",          "tcp [::1]:", "unix ",
		"unix unnamed -> unnamed", "pipe fd ",   "file /tmp/rj-pair-",
	};
	struct rj_conn closed = RJ_CONN_NONE;
	char text[256];

	(void)state;
	for (int kind = 0; kind < PAIR_KINDS; kind++) {
		struct pair pair;

		if (!pair_open((enum pair_kind)kind, &pair))
			continue;
		rj_conn_describe(&pair.source, text, sizeof(text));
		if (strncmp(text, starts[kind], strlen(starts[kind])))
			fail_msg("%s: '%s'", pair_names[kind], text);
		pair_close(&pair);
	}
	rj_conn_describe(&closed, text, sizeof(text));
	assert_string_equal(text, "closed");
}

static int option_of(const struct rj_conn *conn, int level, int name)
{
	socklen_t bytes = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(conn->fd, level, name, &value, &bytes), 0);
	return value;
}

static void tcp_ends_are_tuned(void **state)
{
	struct pair pair;

	(void)state;
	assert_true(pair_open(PAIR_TCP4, &pair));
	for (int i = 0; i < 2; i++) {
		struct rj_conn *conn = i ? &pair.source : &pair.target;

		assert_int_equal(conn->kind, RJ_CONN_TCP);
		assert_true(option_of(conn, IPPROTO_TCP, TCP_NODELAY));
		assert_true(option_of(conn, SOL_SOCKET, SO_KEEPALIVE));
		assert_int_equal(option_of(conn, IPPROTO_TCP, TCP_KEEPIDLE),
				 10);
		assert_int_equal(option_of(conn, IPPROTO_TCP, TCP_USER_TIMEOUT),
				 30000);
	}
	pair_close(&pair);
}

static void the_empty_host_takes_both_families(void **state)
{
	static const char *const hosts[] = { "", "127.0.0.1", "[::1]",
					     "localhost" };
	struct rj_uri uri = uri_of("tcp::0");
	struct rj_listener listener = listener_of(&uri);
	unsigned port;

	(void)state;
	assert_int_equal(sscanf(listener.bound_uri, "tcp::%u", &port), 1);
	assert_true(port > 0);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(hosts); i++) {
		struct rj_conn source;

		uri = uri_of("tcp:%s:%u", hosts[i], port);
		if (i == 2 && rj_connect(&uri, 0, -1, &source, NULL))
			continue; /* no IPv6 here */
		else if (i != 2)
			source = connected_to(&uri);
		exchange(&listener, &source);
	}
	rj_listener_close(&listener);
	rj_listener_close(&listener);
}

static void a_taken_address_is_refused_by_name(void **state)
{
	struct rj_uri uri = uri_of("tcp:127.0.0.1:0");
	struct rj_listener listener = listener_of(&uri);

	(void)state;
	uri = uri_of("%s", listener.bound_uri);
	listen_fails(&uri, -EADDRINUSE, listener.bound_uri);
	rj_listener_close(&listener);
	/* Nobody listens any more. */
	connect_fails(&uri, -ECONNREFUSED, "127.0.0.1:");
	connect_fails(&uri, -ECONNREFUSED, "Connection refused");
	uri = uri_of("tcp:127.0.0.1:0");
	connect_fails(&uri, -EINVAL, "port 0");
	uri = uri_of("tcp:192.0.2.1:0"); /* TEST-NET, not ours */
	listen_fails(&uri, -EADDRNOTAVAIL, "tcp:192.0.2.1:0");
}

static void all_addresses_of_a_name_are_tried(void **state)
{
	struct rj_uri uri = uri_of("tcp:127.0.0.1:0");
	struct rj_listener listener = listener_of(&uri);
	struct ramjet_error err = { 0 };
	struct rj_conn source;
	unsigned port;

	(void)state;
	assert_int_equal(sscanf(listener.bound_uri, "tcp:127.0.0.1:%u", &port),
			 1);
	uri = uri_of("tcp::%u", port); /* ::1 comes first, and refuses */
	source = connected_to(&uri);
	exchange(&listener, &source);
	rj_listener_close(&listener);
	assert_int_equal(
		rj_connect(&uri, rj_now_ns() + 10000000000u, -1, &source, &err),
		-ECONNREFUSED);
	assert_says(&err, "127.0.0.1:");
	assert_says(&err, "wanted a listener");
}

static void looking_a_name_up_is_abandoned_on_a_wake(void **state)
{
	struct rj_uri uri = uri_of("tcp:localhost:1");
	struct ramjet_error err = { 0 };
	int awake = event_new(1);
	struct rj_conn conn;

	(void)state;
	assert_int_equal(rj_connect(&uri, 0, awake, &conn, &err), -ECANCELED);
	assert_says(&err, "tcp:localhost:1: looking the host up");
	/* Labels are not empty: refused without asking anybody. */
	uri = uri_of("tcp:a..b:1");
	connect_fails(&uri, -EHOSTUNREACH, "tcp:a..b:1");
	(void)close(awake);
}

static void waits_end_on_a_wake_and_at_the_deadline(void **state)
{
	struct rj_uri uri = uri_of("tcp:127.0.0.1:0");
	struct rj_listener listener = listener_of(&uri);
	struct ramjet_error err = { 0 };
	int awake = event_new(1);
	struct rj_conn conn;
	struct pair pair;
	char byte;

	(void)state;
	assert_int_equal(rj_accept(&listener, 0, awake, &conn, &err),
			 -ECANCELED);
	assert_says(&err, listener.bound_uri);
	assert_int_equal(rj_accept(&listener, 1, -1, &conn, NULL), -ETIMEDOUT);
	rj_listener_close(&listener);
	assert_true(pair_open(PAIR_SOCKETPAIR, &pair));
	assert_int_equal(rj_recv_all(pair.target.fd, &byte, 1, 0, awake),
			 -ECANCELED);
	assert_int_equal(rj_recv_all(pair.target.fd, &byte, 1, 1, -1),
			 -ETIMEDOUT);
	/* The wake comes first, whatever else there is. */
	assert_int_equal(rj_recv_all(pair.target.fd, &byte, 1, 1, awake),
			 -ECANCELED);
	pair_close(&pair);
	(void)close(awake);
}

/* Fill a listener's backlog, so that the next connect has to wait. */
static int crowded_listener(const char *path, struct rj_conn *crowd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct rj_uri uri = uri_of("unix:%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	assert_int_equal(listen(fd, 0), 0);
	*crowd = connected_to(&uri);
	return fd;
}

static void a_connect_that_waits_ends_too(void **state)
{
	char directory[32], path[64];
	struct rj_uri uri =
		uri_of("unix:%s", fresh_path(directory, path, sizeof(path)));
	struct ramjet_error err = { 0 };
	struct rj_conn crowd, conn;
	int fd = crowded_listener(path, &crowd);
	int awake = event_new(1);

	(void)state;
	assert_int_equal(rj_connect(&uri, 0, awake, &conn, &err), -ECANCELED);
	assert_says(&err, path);
	assert_int_equal(rj_connect(&uri, 1, -1, &conn, NULL), -ETIMEDOUT);
	assert_int_equal(rj_conn_close(&crowd, 0, NULL), 0);
	(void)close(awake);
	(void)close(fd);
	(void)unlink(path);
	(void)rmdir(directory);
}

static void a_unix_socket_is_for_its_owner(void **state)
{
	char directory[32], path[64];
	struct rj_uri uri =
		uri_of("unix:%s", fresh_path(directory, path, sizeof(path)));
	mode_t old = umask(0);
	struct rj_listener listener = listener_of(&uri);
	struct rj_conn source;
	struct stat st;

	(void)state;
	(void)umask(old);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_memory_equal(listener.bound_uri, "unix:", 5);
	assert_string_equal(listener.bound_uri + 5, path);
	source = connected_to(&uri);
	exchange(&listener, &source);
	rj_listener_close(&listener);
	assert_int_equal(lstat(path, &st), -1);
	connect_fails(&uri, -ENOENT, path);
	assert_int_equal(rmdir(directory), 0);
}

static void a_stale_socket_is_replaced_and_nothing_else(void **state)
{
	char directory[32], path[64];
	struct rj_uri uri =
		uri_of("unix:%s", fresh_path(directory, path, sizeof(path)));
	struct rj_listener first = listener_of(&uri), second;
	struct rj_conn source;
	struct stat st;
	int fd;

	(void)state;
	listen_fails(&uri, -EADDRINUSE, "somebody listens");
	(void)close(first.fd); /* as a crash would leave it */
	connect_fails(&uri, -ECONNREFUSED, path);
	second = listener_of(&uri);
	source = connected_to(&uri);
	exchange(&second, &source);
	/* A file that took the name meanwhile stays. */
	assert_int_equal(unlink(path), 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	rj_listener_close(&second);
	assert_int_equal(lstat(path, &st), 0);
	listen_fails(&uri, -EEXIST, "else than a socket");
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	listen_fails(&uri, -ENOENT, path);
}

static void vsock_works_or_says_why_not(void **state)
{
	struct rj_uri uri = uri_of("vsock:1:7361"); /* 1: this host */
	struct ramjet_error err = { 0 };
	struct rj_listener listener;
	struct rj_conn source;

	(void)state;
	if (rj_listen(&uri, &listener, &err)) {
		assert_says(&err, "vsock:1:7361");
		err = (struct ramjet_error){ 0 };
		assert_true(rj_connect(&uri, 1, -1, &source, &err) < 0);
		assert_says(&err, "vsock:1:7361");
		print_message("# %s\n", err.message);
	} else {
		assert_string_equal(listener.bound_uri, "vsock:1:7361");
		source = connected_to(&uri);
		assert_int_equal(source.kind, RJ_CONN_VSOCK);
		exchange(&listener, &source);
		rj_listener_close(&listener);
	}
	uri = uri_of("vsock::7361");
	connect_fails(&uri, -EINVAL, "no CID");
}

static void schemes_stick_to_their_calls(void **state)
{
	struct rj_uri uri;

	(void)state;
	uri = uri_of("exec:true");
	listen_fails(&uri, -EINVAL, "want tcp:");
	uri = uri_of("tcp::0");
	incoming_fails(&uri, -EINVAL, "want fd:");
}

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

/* A pipeline that ignores the end of its input, and its orphans with it. */
static void a_command_that_does_not_end_is_killed(void **state)
{
	struct rj_uri uri = uri_of("exec:(sleep 1000; exit 0) | sleep 1000");
	struct rj_conn conn = connected_to(&uri);
	struct ramjet_error err = { 0 };
	pid_t group = conn.child, child;
	int status;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
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

static void files_are_the_owners_and_truncated(void **state)
{
	char directory[32], path[64], got[4];
	struct rj_uri uri =
		uri_of("file:%s", fresh_path(directory, path, sizeof(path)));
	struct rj_conn conn;
	struct stat st;

	(void)state;
	incoming_fails(&uri, -ENOENT, path);
	for (int round = 0; round < 2; round++) {
		mode_t old = umask(0);

		conn = connected_to(&uri);
		(void)umask(old);
		assert_int_equal(conn.kind, RJ_CONN_FILE);
		assert_int_equal(rj_send_all(conn.fd, "abc", 3, 0, -1), 0);
		assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(st.st_size, 3);
	}
	conn = incoming_of(&uri);
	assert_int_equal(rj_recv_all(conn.fd, got, 3, 0, -1), 0);
	assert_memory_equal(got, "abc", 3);
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	connect_fails(&uri, -ENOENT, path);
	uri = uri_of("file:/tmp");
	incoming_fails(&uri, -EINVAL, "not a regular file");
	uri = uri_of("file:/dev/null");
	conn = connected_to(&uri);
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_end_is_nonblocking_and_closed_on_exec),
		cmocka_unit_test(connections_describe_themselves),
		cmocka_unit_test(tcp_ends_are_tuned),
		cmocka_unit_test(the_empty_host_takes_both_families),
		cmocka_unit_test(a_taken_address_is_refused_by_name),
		cmocka_unit_test(all_addresses_of_a_name_are_tried),
		cmocka_unit_test(looking_a_name_up_is_abandoned_on_a_wake),
		cmocka_unit_test(waits_end_on_a_wake_and_at_the_deadline),
		cmocka_unit_test(a_connect_that_waits_ends_too),
		cmocka_unit_test(a_unix_socket_is_for_its_owner),
		cmocka_unit_test(a_stale_socket_is_replaced_and_nothing_else),
		cmocka_unit_test(vsock_works_or_says_why_not),
		cmocka_unit_test(schemes_stick_to_their_calls),
		cmocka_unit_test(unfit_descriptors_are_refused_with_the_reason),
		cmocka_unit_test(a_given_descriptor_stays_the_givers),
		cmocka_unit_test(an_end_tells_whether_it_was_clean),
		cmocka_unit_test(
			writing_to_a_closed_pipe_is_an_error_not_a_signal),
		cmocka_unit_test(a_command_takes_and_gives_the_stream),
		cmocka_unit_test(a_command_that_fails_says_how),
		cmocka_unit_test(a_command_that_does_not_end_is_killed),
		cmocka_unit_test(a_command_inherits_nothing_of_ours),
		cmocka_unit_test(files_are_the_owners_and_truncated),
	};

	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
