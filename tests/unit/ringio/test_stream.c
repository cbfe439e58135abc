/* SPDX-License-Identifier: BSD-3-Clause */
/* fd:, and whole-buffer transfers. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
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
	assert_int_equal(rj_send_all(&source, "a", 1, 0, -1), 0);
	assert_int_equal(rj_recv_all(&target, &byte, 1, 0, -1), 0);
	assert_int_equal(byte, 'a');
	assert_int_equal(rj_conn_close(&source, 0, NULL), 0);
	assert_int_equal(rj_conn_close(&target, 0, NULL), 0);
	assert_int_equal(write(ends[1], "b", 1), 1);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* The pipe takes what nobody will ever read. */
static void a_pipe_whose_reader_has_gone_is_not_in_order(void **state)
{
	struct ramjet_error err = { 0 };
	struct pair pair;

	(void)state;
	assert_true(pair_open(PAIR_PIPE, &pair));
	assert_int_equal(rj_send_all(&pair.source, "x", 1, 0, -1), 0);
	assert_int_equal(rj_conn_sync(&pair.source, 0, &err), 0);
	assert_int_equal(rj_conn_close(&pair.target, 0, NULL), 0);
	assert_int_equal(rj_conn_sync(&pair.source, 0, &err), -EPIPE);
	assert_says(&err, "no reader any more");
	pair_close(&pair);
}

static void an_end_tells_whether_it_was_clean(void **state)
{
	(void)state;
	for (int kind = 0; kind < PAIR_FILE; kind++) {
		struct pair pair;
		char got[4];

		if (!pair_open((enum pair_kind)kind, &pair))
			continue;
		assert_int_equal(rj_send_all(&pair.source, "1234567", 7, 0, -1),
				 0);
		assert_int_equal(rj_conn_close(&pair.source, 0, NULL), 0);
		assert_int_equal(rj_recv_all(&pair.target, got, 4, 0, -1), 0);
		assert_int_equal(rj_recv_all(&pair.target, got, 4, 0, -1),
				 -EPIPE);
		assert_int_equal(rj_recv_all(&pair.target, got, 4, 0, -1),
				 -ENODATA);
		assert_int_equal(rj_recv_all(&pair.target, got, 0, 0, -1), 0);
		pair_close(&pair);
	}
}

static void writing_to_a_closed_pipe_is_an_error_not_a_signal(void **state)
{
	struct pair pair;

	(void)state;
	assert_true(pair_open(PAIR_PIPE, &pair));
	assert_int_equal(rj_conn_close(&pair.target, 0, NULL), 0);
	assert_int_equal(rj_send_all(&pair.source, "x", 1, 0, -1), -EPIPE);
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unfit_descriptors_are_refused_with_the_reason),
		cmocka_unit_test(a_given_descriptor_stays_the_givers),
		cmocka_unit_test(a_pipe_whose_reader_has_gone_is_not_in_order),
		cmocka_unit_test(an_end_tells_whether_it_was_clean),
		cmocka_unit_test(
			writing_to_a_closed_pipe_is_an_error_not_a_signal),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
