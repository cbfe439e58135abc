/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ringio/endpoint.h"
#include "tests/unit/ringio/calls.h"
#include "tests/unit/ringio/pair.h"
#include "util/clock.h"
#include "util/compiler.h"

static void exchange(struct rj_listener *listener, struct rj_conn *source)
{
	struct rj_conn target;
	char got[6];

	assert_int_equal(rj_accept(listener, 0, -1, &target, NULL), 0);
	assert_int_equal(rj_send_all(source, "ping", 5, 0, -1), 0);
	assert_int_equal(rj_recv_all(&target, got, 5, 0, -1), 0);
	assert_string_equal(got, "ping");
	assert_int_equal(rj_send_all(&target, "pong", 5, 0, -1), 0);
	assert_int_equal(rj_recv_all(source, got, 5, 0, -1), 0);
	assert_string_equal(got, "pong");
	assert_int_equal(rj_conn_close(source, 0, NULL), 0);
	assert_int_equal(rj_conn_close(&target, 0, NULL), 0);
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

static void unix_ends_have_room_for_half_a_frame(void **state)
{
	struct pair pair;

	(void)state;
	assert_true(pair_open(PAIR_UNIX, &pair));
	/* The kernel doubles it, and may allow less. */
	assert_in_range(option_of(&pair.source, SOL_SOCKET, SO_SNDBUF), 212992,
			1 << 20);
	assert_int_equal(option_of(&pair.source, SOL_SOCKET, SO_SNDBUF),
			 option_of(&pair.target, SOL_SOCKET, SO_SNDBUF));
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
	assert_int_equal(sscanf(strrchr(listener.bound_uri, ':'), ":%u", &port),
			 1);
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

/* What is missing is on this side, not over there. */
static void without_a_descriptor_that_is_what_is_wanted(void **state)
{
	static const char *const uris[] = { "tcp:127.0.0.1:1", "unix:/nobody" };
	struct rlimit before, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(uris); i++) {
		const struct rj_uri uri = uri_of("%s", uris[i]);
		struct ramjet_error err = { 0 }, heard = { 0 };
		struct rj_listener listener;
		struct rj_conn conn;

		assert_int_equal(rj_connect(&uri, 0, -1, &conn, &err), -EMFILE);
		assert_says(&err, "Too many open files, wanted a free "
				  "descriptor of this process (ulimit -n)");
		assert_null(strstr(err.message, "listener"));
		assert_int_equal(rj_listen(&uri, &listener, &heard), -EMFILE);
		assert_says(&heard, "wanted a free descriptor");
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
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
	assert_int_equal(rj_recv_all(&pair.target, &byte, 1, 0, awake),
			 -ECANCELED);
	assert_int_equal(rj_recv_all(&pair.target, &byte, 1, 1, -1),
			 -ETIMEDOUT);
	/* The wake comes first, whatever else there is. */
	assert_int_equal(rj_recv_all(&pair.target, &byte, 1, 1, awake),
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
	listen_fails(&uri, -EINVAL, "wanted tcp:");
	uri = uri_of("tcp::0");
	incoming_fails(&uri, -EINVAL, "wanted fd:");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_end_is_nonblocking_and_closed_on_exec),
		cmocka_unit_test(connections_describe_themselves),
		cmocka_unit_test(tcp_ends_are_tuned),
		cmocka_unit_test(unix_ends_have_room_for_half_a_frame),
		cmocka_unit_test(the_empty_host_takes_both_families),
		cmocka_unit_test(a_taken_address_is_refused_by_name),
		cmocka_unit_test(all_addresses_of_a_name_are_tried),
		cmocka_unit_test(without_a_descriptor_that_is_what_is_wanted),
		cmocka_unit_test(looking_a_name_up_is_abandoned_on_a_wake),
		cmocka_unit_test(waits_end_on_a_wake_and_at_the_deadline),
		cmocka_unit_test(a_connect_that_waits_ends_too),
		cmocka_unit_test(a_unix_socket_is_for_its_owner),
		cmocka_unit_test(a_stale_socket_is_replaced_and_nothing_else),
		cmocka_unit_test(vsock_works_or_says_why_not),
		cmocka_unit_test(schemes_stick_to_their_calls),
	};

	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
