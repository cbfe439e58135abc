/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections that are not bare, through the same calls as those that are. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ringio/channel.h"
#include "ringio/conn_ops.h"
#include "ringio/given.h"
#include "tests/unit/ringio/calls.h"
#include "tests/unit/ringio/xor_conn.h"
#include "util/clock.h"

#define STREAM_BYTES (1u << 20)

static struct rj_conn xored(int fd, const struct xor_options *is)
{
	const struct rj_conn below = rj_conn_bare(fd, RJ_CONN_UNIX);

	return xor_conn_over(&below, is);
}

static void open_two(const struct xor_options *is, struct rj_conn ends[2])
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX,
				    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				    0, fds),
			 0);
	ends[0] = xored(fds[0], is);
	ends[1] = xored(fds[1], is);
}

static void close_two(struct rj_conn ends[2])
{
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(rj_conn_close(&ends[i], 0, NULL), 0);
}

/* ---- what the VMM's own operations say ------------------------------------ */

static ssize_t says; /* instead of moving anything */

static ssize_t say_of_sending(void *user, const struct iovec *iov,
			      unsigned count)
{
	(void)user, (void)iov, (void)count;
	return says;
}

static ssize_t say_of_receiving(void *user, const struct iovec *iov,
				unsigned count)
{
	return say_of_sending(user, iov, count);
}

static void close_nothing(void *user)
{
	(void)user;
}

/* Neither runs out of a buffer nor spins, whatever they say. */
static void the_vmm_is_not_believed_all(void **state)
{
	static const struct {
		ssize_t said, sent, received;
	} cases[] = {
		{ 4, 4, 4 },
		{ 5, -EPROTO, -EPROTO },
		{ -EINTR, -EAGAIN, -EAGAIN },
		{ 0, -EAGAIN, 0 },
		{ -EPIPE, -EPIPE, -EPIPE },
	};
	const struct ramjet_connection_ops ops = {
		RAMJET_CONNECTION_OPS_INIT,
		.send = say_of_sending,
		.receive = say_of_receiving,
		.close = close_nothing,
	};
	const struct ramjet_connection given = { RAMJET_CONNECTION_INIT,
						 .ops = &ops };
	uint8_t bytes[4] = { 0 };
	const struct iovec iov[2] = {
		{ .iov_base = bytes, .iov_len = 1 },
		{ .iov_base = bytes + 1, .iov_len = 3 },
	};
	struct rj_conn conn;

	(void)state;
	assert_int_equal(rj_given_open(&given, &conn, NULL), 0);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(cases); i++) {
		says = cases[i].said;
		assert_int_equal(conn.ops->send(&conn, iov, 2), cases[i].sent);
		assert_int_equal(conn.ops->receive(&conn, iov, 2),
				 cases[i].received);
	}
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
}

static const struct xor_options kinds[] = {
	{ 0 },
	{ .piece = 1 },
	{ .piece = 7 },
	{ .blind = true },
	{ .piece = 4099, .blind = true },
};

static void bytes_pass_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(kinds); i++) {
		struct rj_conn ends[2];
		char got[12] = "";

		open_two(&kinds[i], ends);
		assert_int_equal(
			rj_send_all(&ends[0], "hello world", 12, 0, -1), 0);
		assert_int_equal(rj_recv_all(&ends[1], got, 5, 0, -1), 0);
		assert_memory_equal(got, "hello", 5);
		assert_int_equal(rj_send_all(&ends[1], "yes", 3, 0, -1), 0);
		assert_int_equal(rj_recv_all(&ends[1], got, 7, 0, -1), 0);
		assert_memory_equal(got, " world", 7);
		assert_int_equal(rj_recv_all(&ends[0], got, 3, 0, -1), 0);
		assert_memory_equal(got, "yes", 3);
		close_two(ends);
	}
}

/* The bytes on the wire are not those that were sent: nothing went past the
 * operations. */
static void bytes_go_through_the_operations(void **state)
{
	const struct xor_options plain = { 0 };
	struct rj_conn bare, conn;
	char got[4];
	int fds[2];

	(void)state;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	conn = xored(fds[0], &plain);
	bare = rj_conn_bare(fds[1], RJ_CONN_UNIX);
	assert_int_equal(rj_send_all(&conn, "abcd", 4, 0, -1), 0);
	assert_int_equal(rj_recv_all(&bare, got, 4, 0, -1), 0);
	assert_memory_not_equal(got, "abcd", 4);
	assert_int_equal(rj_conn_close(&conn, 0, NULL), 0);
	assert_int_equal(rj_conn_close(&bare, 0, NULL), 0);
}

/* poll() would sleep: all of it was read from the socket already. */
static void what_is_deciphered_is_readable(void **state)
{
	const struct xor_options plain = { 0 };
	struct rj_conn ends[2];
	struct pollfd entry;
	int timeout_ms = -1;
	char got[10];

	(void)state;
	open_two(&plain, ends);
	assert_int_equal(rj_send_all(&ends[0], "0123456789", 10, 0, -1), 0);
	assert_int_equal(rj_recv_all(&ends[1], got, 3, 0, -1), 0);
	entry = rj_conn_pollfd(&ends[1], POLLIN, &timeout_ms);
	assert_true(entry.fd >= 0);
	assert_int_equal(poll(&entry, 1, 0), 0);
	assert_int_equal(timeout_ms, 0);
	assert_int_equal(rj_conn_wait(&ends[1], POLLIN, 0, -1), 0);
	assert_int_equal(rj_conn_receive(&ends[1], got, 10), 7);
	assert_memory_equal(got, "3456789", 7);
	timeout_ms = 77;
	(void)rj_conn_pollfd(&ends[1], POLLIN, &timeout_ms);
	assert_int_equal(timeout_ms, 77);
	assert_int_equal(rj_conn_receive(&ends[1], got, 10), -EAGAIN);
	close_two(ends);
}

static void without_a_descriptor_it_is_tried_again_soon(void **state)
{
	const struct xor_options blind = { .blind = true };
	int timeout_ms = -1;
	struct rj_conn ends[2];

	(void)state;
	open_two(&blind, ends);
	assert_int_equal(rj_conn_pollfd(&ends[0], POLLIN, &timeout_ms).fd, -1);
	assert_int_equal(timeout_ms, 1);
	timeout_ms = 0;
	(void)rj_conn_pollfd(&ends[0], POLLIN, &timeout_ms);
	assert_int_equal(timeout_ms, 0);
	assert_int_equal(rj_conn_wait(&ends[0], POLLIN, 0, -1), 0);
	close_two(ends);
}

static void an_end_is_clean_or_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(kinds); i++) {
		struct rj_conn ends[2];
		char got[4];

		open_two(&kinds[i], ends);
		assert_int_equal(rj_send_all(&ends[0], "1234567", 7, 0, -1), 0);
		assert_int_equal(rj_conn_close(&ends[0], 0, NULL), 0);
		assert_int_equal(rj_recv_all(&ends[1], got, 4, 0, -1), 0);
		assert_int_equal(rj_recv_all(&ends[1], got, 4, 0, -1), -EPIPE);
		assert_int_equal(rj_recv_all(&ends[1], got, 4, 0, -1),
				 -ENODATA);
		assert_int_equal(rj_send_all(&ends[1], "x", 1, 0, -1), -EPIPE);
		close_two(ends);
	}
}

static void an_error_of_the_operations_comes_through(void **state)
{
	const struct xor_options is = { .piece = 2,
					.fails = -EBADMSG,
					.sound_bytes = 4 };
	struct rj_conn ends[2];
	char got[8];

	(void)state;
	open_two(&is, ends);
	assert_int_equal(rj_send_all(&ends[0], "12345678", 8, 0, -1), -EBADMSG);
	assert_int_equal(rj_recv_all(&ends[1], got, 8, 0, -1), -EBADMSG);
	close_two(ends);
}

static void waits_end(void **state)
{
	int awake = event_new(1), asleep = event_new(0);

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(kinds); i++) {
		struct rj_conn ends[2];
		char got[8];

		open_two(&kinds[i], ends);
		assert_int_equal(rj_recv_all(&ends[1], got, 1, 0, awake),
				 -ECANCELED);
		assert_int_equal(rj_recv_all(&ends[1], got, 1, 1, asleep),
				 -ETIMEDOUT);
		assert_int_equal(rj_recv_all(&ends[1], got, 1,
					     rj_now_ns() + 3000000, asleep),
				 -ETIMEDOUT);
		assert_int_equal(rj_send_all(&ends[0], "12345678", 8, 0, -1),
				 0);
		assert_int_equal(rj_conn_receive(&ends[1], got, 1), 1);
		/* Something is there, but whoever wakes it comes first. */
		assert_int_equal(rj_conn_wait(&ends[1], POLLIN, 1, awake),
				 -ECANCELED);
		close_two(ends);
	}
	(void)close(awake);
	(void)close(asleep);
}

static void who_has_said_all_still_hears(void **state)
{
	const struct xor_options plain = { 0 };
	struct rj_conn ends[2];
	char got[3];

	(void)state;
	open_two(&plain, ends);
	rj_conn_shut_down(&ends[0]);
	assert_int_equal(rj_recv_all(&ends[1], got, 1, 0, -1), -ENODATA);
	assert_int_equal(rj_send_all(&ends[1], "bye", 3, 0, -1), 0);
	assert_true(rj_conn_outstanding(&ends[1]) > 0);
	assert_int_equal(rj_recv_all(&ends[0], got, 3, 0, -1), 0);
	close_two(ends);
}

static void a_closed_one_does_nothing(void **state)
{
	const struct xor_options plain = { 0 };
	struct rj_channel_options options = { .wake_fd = -1 };
	struct ramjet_error err = { 0 };
	struct rj_channel *channel;
	struct rj_conn ends[2];
	int timeout_ms = -1;
	char text[64];

	(void)state;
	open_two(&plain, ends);
	rj_conn_describe(&ends[0], text, sizeof(text));
	assert_non_null(strstr(text, "xor over unix"));
	close_two(ends);
	close_two(ends);
	assert_false(rj_conn_is_open(&ends[0]));
	rj_conn_describe(&ends[0], text, sizeof(text));
	assert_string_equal(text, "closed");
	assert_int_equal(rj_conn_receive(&ends[0], text, 1), -EBADF);
	assert_int_equal(rj_send_all(&ends[0], "x", 1, 0, -1), -EBADF);
	assert_int_equal(rj_conn_pollfd(&ends[0], POLLIN, &timeout_ms).fd, -1);
	assert_int_equal(rj_conn_outstanding(&ends[0]), 0);
	rj_conn_shut_down(&ends[0]);
	assert_int_equal(rj_channel_new(&ends[0], &options, &channel, &err),
			 -EBADF);
}

static void kinds_know_their_ways(void **state)
{
	const struct rj_conn none = RJ_CONN_NONE;
	const struct rj_conn pipe_end = rj_conn_bare(0, RJ_CONN_PIPE);
	const struct rj_conn socket_end = rj_conn_bare(0, RJ_CONN_TCP);
	const struct xor_options plain = { 0 };
	struct rj_conn ends[2];

	(void)state;
	assert_false(rj_conn_is_open(&none) || rj_conn_is_two_way(&none) ||
		     rj_conn_is_bare(&none));
	assert_true(rj_conn_is_bare(&pipe_end) && rj_conn_is_bare(&socket_end));
	assert_true(rj_conn_is_two_way(&socket_end));
	assert_false(rj_conn_is_two_way(&pipe_end));
	open_two(&plain, ends);
	assert_true(rj_conn_is_open(&ends[0]) && rj_conn_is_two_way(&ends[0]));
	assert_false(rj_conn_is_bare(&ends[0]) || rj_conn_is_socket(&ends[0]));
	close_two(ends);
}

/* ---- channels ----------------------------------------------------------- */

static struct rj_channel *channel_of(const struct rj_conn *conn, int wake_fd)
{
	const struct rj_channel_options options = { .wake_fd = wake_fd };
	struct ramjet_error err = { 0 };
	struct rj_channel *channel;

	if (rj_channel_new(conn, &options, &channel, &err))
		fail_msg("%s", err.message);
	return channel;
}

static void a_channel_says_why_it_is_no_ring(void **state)
{
	const struct xor_options plain = { 0 };
	const struct rj_channel_options wants_ring = {
		.backend = RAMJET_BACKEND_URING,
		.wake_fd = -1,
	};
	struct ramjet_error err = { 0 };
	struct rj_channel *channel;
	struct rj_conn ends[2];

	(void)state;
	open_two(&plain, ends);
	channel = channel_of(&ends[0], -1);
	assert_int_equal(rj_channel_backend(channel), RAMJET_BACKEND_SYSCALLS);
	assert_string_equal(rj_channel_reason(channel),
			    "io_uring: the connection is no bare socket");
	assert_false(rj_channel_is_tcp(channel));
	assert_int_equal(rj_channel_register(channel, &err, sizeof(err)),
			 -EOPNOTSUPP);
	rj_channel_free(channel);
	assert_int_equal(rj_channel_new(&ends[0], &wants_ring, &channel, &err),
			 -EOPNOTSUPP);
	assert_says(&err, "the connection is no bare socket");
	close_two(ends);
}

struct stream {
	const struct rj_conn *conn;
	uint8_t *data;
	int rc;
};

static void *echo(void *argument)
{
	struct stream *s = argument;
	struct rj_channel *channel = channel_of(s->conn, -1);
	struct iovec iov[2] = { { s->data, 1001 },
				{ s->data + 1001, STREAM_BYTES - 1001 } };
	struct iovec all = { s->data, STREAM_BYTES };

	s->rc = rj_channel_recv(channel, iov, 2);
	if (!s->rc)
		s->rc = rj_channel_send_start(channel, &all, 1);
	if (!s->rc)
		s->rc = rj_channel_send_wait(channel);
	rj_channel_free(channel);
	return NULL;
}

static void stream_over(const struct xor_options *is)
{
	uint8_t *data = malloc(STREAM_BYTES), *got = malloc(STREAM_BYTES);
	struct iovec out = { data, STREAM_BYTES }, in = { got, STREAM_BYTES };
	struct rj_channel *channel;
	struct rj_conn ends[2];
	struct stream there;
	pthread_t thread;

	for (size_t i = 0; i < STREAM_BYTES; i++)
		data[i] = (uint8_t)(i * 31 + (i >> 8));
	open_two(is, ends);
	there = (struct stream){ &ends[1], calloc(1, STREAM_BYTES), 0 };
	assert_int_equal(pthread_create(&thread, NULL, echo, &there), 0);
	channel = channel_of(&ends[0], -1);
	assert_int_equal(rj_channel_send_start(channel, &out, 1), 0);
	/* While it sends, too. */
	assert_int_equal(rj_channel_recv(channel, &in, 1), 0);
	assert_int_equal(rj_channel_send_wait(channel), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(there.rc, 0);
	assert_memory_equal(got, data, STREAM_BYTES);
	assert_int_equal(rj_channel_bytes(channel), 2 * STREAM_BYTES);
	rj_channel_free(channel);
	close_two(ends);
	free(there.data);
	free(data);
	free(got);
}

static void a_channel_moves_all(void **state)
{
	const struct xor_options odd = { .piece = 4099 },
				 blind = { .blind = true }, plain = { 0 };

	(void)state;
	stream_over(&plain);
	stream_over(&odd);
	stream_over(&blind);
}

static void a_channel_ends_as_others_do(void **state)
{
	const struct xor_options broken = { .fails = -EBADMSG,
					    .sound_bytes = 4 },
				 plain = { 0 };
	int wake = event_new(0);
	uint8_t got[8];
	struct iovec in = { got, 8 };
	struct rj_channel *channel;
	struct rj_conn ends[2];

	(void)state;
	open_two(&plain, ends);
	channel = channel_of(&ends[1], wake);
	assert_int_equal(write(wake, &(uint64_t){ 1 }, 8), 8);
	assert_int_equal(rj_channel_recv(channel, &in, 1), -ECANCELED);
	assert_int_equal(read(wake, got, 8), 8);
	assert_int_equal(rj_send_all(&ends[0], "abc", 3, 0, -1), 0);
	assert_int_equal(rj_conn_close(&ends[0], 0, NULL), 0);
	in = (struct iovec){ got, 8 };
	assert_int_equal(rj_channel_recv(channel, &in, 1), -EPIPE);
	in = (struct iovec){ got, 8 };
	assert_int_equal(rj_channel_recv(channel, &in, 1), -ENODATA);
	rj_channel_free(channel);
	close_two(ends);

	open_two(&broken, ends);
	channel = channel_of(&ends[1], wake);
	assert_int_equal(rj_send_all(&ends[0], "abcd", 4, 0, -1), 0);
	in = (struct iovec){ got, 8 };
	assert_int_equal(rj_channel_recv(channel, &in, 1), -EBADMSG);
	rj_channel_free(channel);
	close_two(ends);
	(void)close(wake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vmm_is_not_believed_all),
		cmocka_unit_test(bytes_pass_both_ways),
		cmocka_unit_test(bytes_go_through_the_operations),
		cmocka_unit_test(what_is_deciphered_is_readable),
		cmocka_unit_test(without_a_descriptor_it_is_tried_again_soon),
		cmocka_unit_test(an_end_is_clean_or_not),
		cmocka_unit_test(an_error_of_the_operations_comes_through),
		cmocka_unit_test(waits_end),
		cmocka_unit_test(who_has_said_all_still_hears),
		cmocka_unit_test(a_closed_one_does_nothing),
		cmocka_unit_test(kinds_know_their_ways),
		cmocka_unit_test(a_channel_says_why_it_is_no_ring),
		cmocka_unit_test(a_channel_moves_all),
		cmocka_unit_test(a_channel_ends_as_others_do),
	};

	return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
