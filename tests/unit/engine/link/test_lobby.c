/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/link/lobby.h"
#include "util/clock.h"

#define LONG_NS  (60 * UINT64_C(1000000000))
#define SHORT_NS UINT64_C(20000000)
#define PIECE_NS UINT64_C(1000000)

struct door {
	struct rj_lobby lobby;
	struct rj_listener listener;
	struct rj_uri uri;
	char folder[32];
	int wake_fd;
};

static int setup(void **state)
{
	struct door *door = calloc(1, sizeof(*door));
	char text[64];

	assert_non_null(door);
	(void)snprintf(door->folder, sizeof(door->folder),
		       "/tmp/ramjet-test-XXXXXX");
	assert_non_null(mkdtemp(door->folder));
	(void)snprintf(text, sizeof(text), "unix:%s/socket", door->folder);
	assert_int_equal(rj_uri_parse(text, &door->uri, NULL), 0);
	assert_int_equal(rj_listen(&door->uri, &door->listener, NULL), 0);
	door->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(rj_lobby_init(&door->lobby, &door->listener, NULL), 0);
	door->lobby.hello_ns = LONG_NS;
	*state = door;
	return 0;
}

static int teardown(void **state)
{
	struct door *door = *state;

	rj_lobby_done(&door->lobby);
	rj_listener_close(&door->listener);
	(void)close(door->wake_fd);
	(void)rmdir(door->folder);
	free(door);
	return 0;
}

static struct rj_conn knock(struct door *door)
{
	struct rj_conn conn = RJ_CONN_NONE;

	assert_int_equal(rj_connect(&door->uri, 0, -1, &conn, NULL), 0);
	return conn;
}

static void say_hello(const struct rj_conn *conn, uint16_t channel)
{
	const struct rj_hello hello = {
		.version_min = RJ_WIRE_VERSION,
		.version_max = RJ_WIRE_VERSION,
		.role = RJ_ROLE_DATA,
		.channel_index = channel,
		.channel_count = 64,
	};

	assert_int_equal(rj_hello_send(conn, &hello, 0, -1, NULL), 0);
}

static int next(struct door *door, uint64_t wait_ns, struct rj_visitor *ret)
{
	return rj_lobby_next(&door->lobby, wait_ns ? rj_now_ns() + wait_ns : 0,
			     door->wake_fd, ret, NULL);
}

static void expect_arrival(struct door *door, uint16_t channel)
{
	struct rj_visitor visitor;

	assert_int_equal(next(door, LONG_NS, &visitor), 0);
	assert_int_equal(visitor.why.code, 0);
	assert_int_equal(visitor.hello.channel_index, channel);
	(void)rj_conn_close(&visitor.conn, 0, NULL);
}

static void whoever_speaks_goes_before_the_silent(void **state)
{
	struct door *door = *state;
	struct rj_conn first = knock(door), second = knock(door);

	say_hello(&second, 2);
	expect_arrival(door, 2);
	say_hello(&first, 1);
	expect_arrival(door, 1);
	(void)rj_conn_close(&first, 0, NULL);
	(void)rj_conn_close(&second, 0, NULL);
}

/* Of what it has not said, nothing is told. */
static void a_single_wrong_byte_is_refused_by_that_byte(void **state)
{
	struct door *door = *state;
	struct rj_conn conn = knock(door);
	struct rj_visitor visitor;

	memset(door->lobby.seats, 0xaa,
	       door->lobby.seat_count * sizeof(*door->lobby.seats));
	assert_int_equal(write(conn.fd, "x", 1), 1);
	assert_int_equal(next(door, LONG_NS, &visitor), 0);
	assert_int_equal(visitor.why.code, -EPROTO);
	assert_non_null(strstr(visitor.why.message, "bad magic 0x00000078,"));
	(void)rj_conn_close(&visitor.conn, 0, NULL);
	(void)rj_conn_close(&conn, 0, NULL);
}

static void a_hello_in_pieces_is_put_together(void **state)
{
	struct door *door = *state;
	struct rj_conn conn = knock(door);
	const struct rj_hello hello = {
		.version_min = RJ_WIRE_VERSION,
		.version_max = RJ_WIRE_VERSION,
		.role = RJ_ROLE_CONTROL,
		.channel_count = 3,
	};
	const struct rj_frame frame = {
		.type = RJ_FRAME_HELLO,
		.payload_bytes = RJ_HELLO_BYTES,
	};
	uint8_t wire[RJ_HELLO_FRAME_BYTES];
	struct rj_visitor visitor;

	rj_hello_encode(&hello, wire + RJ_HEADER_BYTES);
	rj_frame_encode(&frame, NULL, wire + RJ_HEADER_BYTES, wire);
	for (size_t i = 0; i < sizeof(wire) - 1; i++) {
		assert_int_equal(write(conn.fd, wire + i, 1), 1);
		assert_int_equal(next(door, PIECE_NS, &visitor), -ETIMEDOUT);
	}
	assert_int_equal(write(conn.fd, wire + sizeof(wire) - 1, 1), 1);
	assert_int_equal(next(door, LONG_NS, &visitor), 0);
	assert_int_equal(visitor.why.code, 0);
	assert_int_equal(visitor.hello.channel_count, 3);
	(void)rj_conn_close(&visitor.conn, 0, NULL);
	(void)rj_conn_close(&conn, 0, NULL);
}

static void the_silent_are_shown_out_in_time(void **state)
{
	struct door *door = *state;
	struct rj_conn conn = knock(door);
	struct rj_visitor visitor;

	door->lobby.hello_ns = SHORT_NS;
	assert_int_equal(next(door, 0, &visitor), 0);
	assert_int_equal(visitor.why.code, -ETIMEDOUT);
	assert_non_null(strstr(visitor.why.message, "no HELLO within 20 ms"));
	(void)rj_conn_close(&visitor.conn, 0, NULL);
	(void)rj_conn_close(&conn, 0, NULL);
}

/* Who finds no seat has one all the same. */
static void a_full_lobby_makes_room(void **state)
{
	struct rj_conn silent[RJ_LOBBY_SEATS], last;
	struct door *door = *state;
	struct rj_visitor visitor;

	for (unsigned i = 0; i < RJ_LOBBY_SEATS; i++)
		silent[i] = knock(door);
	last = knock(door);
	say_hello(&last, 7);
	for (unsigned i = 0; i <= RJ_LOBBY_SEATS; i++) {
		assert_int_equal(next(door, LONG_NS, &visitor), 0);
		assert_true(door->lobby.count <= RJ_LOBBY_SEATS);
		(void)rj_conn_close(&visitor.conn, 0, NULL);
		if (!visitor.why.code)
			break;
		assert_int_equal(visitor.why.code, -EBUSY);
	}
	assert_int_equal(visitor.why.code, 0);
	assert_int_equal(visitor.hello.channel_index, 7);
	for (unsigned i = 0; i < RJ_LOBBY_SEATS; i++)
		(void)rj_conn_close(&silent[i], 0, NULL);
	(void)rj_conn_close(&last, 0, NULL);
}

static void whoever_hangs_up_is_noticed(void **state)
{
	struct door *door = *state;
	struct rj_conn conn = knock(door);
	struct rj_visitor visitor;

	(void)rj_conn_close(&conn, 0, NULL);
	assert_int_equal(next(door, LONG_NS, &visitor), 0);
	assert_int_equal(visitor.why.code, -ENODATA);
	(void)rj_conn_close(&visitor.conn, 0, NULL);
}

static void a_wake_and_a_deadline_end_the_wait(void **state)
{
	struct door *door = *state;
	struct rj_conn conn = knock(door);
	struct rj_visitor visitor;

	assert_int_equal(next(door, SHORT_NS, &visitor), -ETIMEDOUT);
	assert_int_equal(eventfd_write(door->wake_fd, 1), 0);
	assert_int_equal(next(door, 0, &visitor), -ECANCELED);
	assert_int_equal(door->lobby.count, 1);
	(void)rj_conn_close(&conn, 0, NULL);
}

/* However many they are, who speaks is heard. */
static void a_crowd_of_silent_ones_keeps_nobody_out(void **state)
{
	struct rj_conn silent[112], last;
	struct door *door = *state;
	struct rj_visitor visitor;
	unsigned shown_out = 0;

	for (unsigned i = 0; i < RJ_ARRAY_SIZE(silent); i++)
		silent[i] = knock(door);
	last = knock(door);
	say_hello(&last, 7);
	for (;;) {
		assert_int_equal(next(door, 0, &visitor), 0);
		(void)rj_conn_close(&visitor.conn, 0, NULL);
		if (!visitor.why.code)
			break;
		assert_int_equal(visitor.why.code, -EBUSY);
		shown_out++;
	}
	assert_int_equal(visitor.hello.channel_index, 7);
	assert_int_equal(shown_out, RJ_ARRAY_SIZE(silent) + 1 - RJ_LOBBY_SEATS);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(silent); i++)
		(void)rj_conn_close(&silent[i], 0, NULL);
	(void)rj_conn_close(&last, 0, NULL);
}

static void count_words(void *user, int level, const char *message)
{
	unsigned *count = user;

	assert_int_equal(level, RJ_LOG_WARNING);
	assert_non_null(strstr(message, strerror(EMFILE)));
	++*count;
}

/* Descriptors come back: until then those at the door wait, which is said. */
static void without_descriptors_it_waits_for_some(void **state)
{
	struct door *door = *state;
	struct rj_conn conn = knock(door);
	struct ramjet_error err = { 0 };
	struct rj_visitor visitor;
	struct rlimit all, few;
	unsigned said = 0;
	const struct rj_log log = { .fn = count_words, .user = &said };

	door->lobby.log = &log;
	say_hello(&conn, 9);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = all;
	few.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(rj_lobby_next(&door->lobby, rj_now_ns() + SHORT_NS,
				       door->wake_fd, &visitor, &err),
			 -ETIMEDOUT);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	assert_non_null(strstr(err.message, strerror(EMFILE)));
	assert_int_equal(said, 1);
	expect_arrival(door, 9);
	door->lobby.log = NULL;
	(void)rj_conn_close(&conn, 0, NULL);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(whoever_speaks_goes_before_the_silent),
		CASE(a_single_wrong_byte_is_refused_by_that_byte),
		CASE(a_hello_in_pieces_is_put_together),
		CASE(the_silent_are_shown_out_in_time),
		CASE(a_full_lobby_makes_room),
		CASE(a_crowd_of_silent_ones_keeps_nobody_out),
		CASE(without_descriptors_it_waits_for_some),
		CASE(whoever_hangs_up_is_noticed),
		CASE(a_wake_and_a_deadline_end_the_wait),
	};

	return cmocka_run_group_tests_name("lobby", tests, NULL, NULL);
}
