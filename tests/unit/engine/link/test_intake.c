/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/link/lobby.h"
#include "util/clock.h"

#define LONG_NS  (60 * UINT64_C(1000000000))
#define SHORT_NS UINT64_C(20000000)

struct door {
	struct rj_intake intake;
	struct rj_lobby lobby;
	int wake_fd;
};

static int setup(void **state)
{
	struct door *door = calloc(1, sizeof(*door));

	assert_non_null(door);
	assert_int_equal(rj_intake_init(&door->intake, NULL), 0);
	assert_int_equal(rj_lobby_init_given(&door->lobby, &door->intake,
					     "vmm:door", NULL),
			 0);
	door->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	*state = door;
	return 0;
}

static int teardown(void **state)
{
	struct door *door = *state;

	rj_lobby_done(&door->lobby);
	rj_intake_done(&door->intake);
	(void)close(door->wake_fd);
	free(door);
	return 0;
}

static bool is_readable(int fd)
{
	struct pollfd entry = { .fd = fd, .events = POLLIN };

	return poll(&entry, 1, 0) == 1;
}

/* The near end of a pair whose far end is in *ret. */
static struct rj_conn pair(struct rj_conn *ret)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX,
				    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				    0, fds),
			 0);
	*ret = rj_conn_bare(fds[1], RJ_CONN_UNIX);
	return rj_conn_bare(fds[0], RJ_CONN_UNIX);
}

/* Give one; the near end. */
static struct rj_conn give(struct door *door, uint64_t hello_ns)
{
	struct rj_arrival arrival = { .hello_ns = hello_ns };
	const struct rj_conn near = pair(&arrival.conn);

	assert_int_equal(rj_intake_give(&door->intake, &arrival, NULL), 0);
	return near;
}

static void expect_end(struct rj_conn *near)
{
	uint8_t byte;

	assert_int_equal(rj_conn_wait(near, POLLIN, rj_now_ns() + LONG_NS, -1),
			 0);
	assert_int_equal(rj_conn_receive(near, &byte, 1), 0);
	(void)rj_conn_close(near, 0, NULL);
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
	return rj_lobby_next(&door->lobby, rj_now_ns() + wait_ns, door->wake_fd,
			     ret, NULL);
}

static void it_gives_back_what_it_was_given_in_order(void **state)
{
	struct door *door = *state;
	struct rj_arrival arrival;
	struct rj_conn near[3];

	assert_false(rj_intake_take(&door->intake, &arrival));
	assert_false(is_readable(door->intake.fd));
	for (unsigned i = 0; i < 3; i++)
		near[i] = give(door, i);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(is_readable(door->intake.fd));
		assert_true(rj_intake_take(&door->intake, &arrival));
		assert_int_equal(arrival.hello_ns, i);
		(void)rj_conn_close(&arrival.conn, 0, NULL);
		expect_end(&near[i]);
	}
	assert_false(is_readable(door->intake.fd));
	assert_false(rj_intake_take(&door->intake, &arrival));
}

static void one_too_many_is_refused(void **state)
{
	struct door *door = *state;
	struct rj_arrival arrival = { .conn = RJ_CONN_NONE };
	struct ramjet_error err = { 0 };

	for (unsigned i = 0; i < RJ_INTAKE_MAX; i++)
		assert_int_equal(rj_intake_give(&door->intake, &arrival, NULL),
				 0);
	assert_int_equal(rj_intake_give(&door->intake, &arrival, &err), -EBUSY);
	assert_int_equal(err.code, -EBUSY);
	assert_true(rj_intake_take(&door->intake, &arrival));
	assert_int_equal(rj_intake_give(&door->intake, &arrival, NULL), 0);
}

static void what_waits_is_closed_with_it(void **state)
{
	struct door *door = *state;
	struct rj_arrival arrival = { .conn = RJ_CONN_NONE };
	struct rj_conn near = give(door, 0);

	rj_intake_close(&door->intake);
	expect_end(&near);
	assert_int_equal(rj_intake_give(&door->intake, &arrival, NULL),
			 -EALREADY);
	assert_false(rj_intake_take(&door->intake, &arrival));
	rj_intake_close(&door->intake);
}

/* As many as a lobby with a listener has no seats for. */
static void silent_ones_keep_their_seats(void **state)
{
	struct rj_conn near[RJ_LOBBY_SEATS + 2];
	struct door *door = *state;
	struct rj_visitor visitor;

	door->lobby.hello_ns = 1;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(near); i++)
		near[i] = give(door, 0);
	assert_int_equal(next(door, SHORT_NS, &visitor), -ETIMEDOUT);
	say_hello(&near[0], 7);
	assert_int_equal(next(door, LONG_NS, &visitor), 0);
	assert_int_equal(visitor.why.code, 0);
	assert_int_equal(visitor.hello.channel_index, 7);
	(void)rj_conn_close(&visitor.conn, 0, NULL);
	rj_lobby_done(&door->lobby);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(near); i++)
		expect_end(&near[i]);
}

static void a_stranger_has_the_time_it_was_given(void **state)
{
	struct door *door = *state;
	struct rj_conn patient = give(door, 0), stranger = give(door, 1);
	struct rj_visitor visitor;

	assert_int_equal(next(door, LONG_NS, &visitor), 0);
	assert_int_equal(visitor.why.code, -ETIMEDOUT);
	(void)rj_conn_close(&visitor.conn, 0, NULL);
	expect_end(&stranger);
	say_hello(&patient, 1);
	assert_int_equal(next(door, LONG_NS, &visitor), 0);
	assert_int_equal(visitor.why.code, 0);
	(void)rj_conn_close(&visitor.conn, 0, NULL);
	expect_end(&patient);
}

/* With all seats taken, the next ones wait outside, and nobody leaves. */
static void a_full_lobby_takes_no_more(void **state)
{
	struct door *door = *state;
	struct rj_arrival arrival = { .conn = RJ_CONN_NONE };
	struct rj_visitor visitor;

	/* What is in a seat needs no descriptor for this. */
	door->lobby.count = door->lobby.seat_count;
	for (unsigned i = 0; i < door->lobby.count; i++)
		door->lobby.seats[i].conn = (struct rj_conn)RJ_CONN_NONE;
	assert_int_equal(rj_intake_give(&door->intake, &arrival, NULL), 0);
	/* A closed one is heard as broken, and makes room. */
	assert_int_equal(next(door, LONG_NS, &visitor), 0);
	assert_int_equal(visitor.why.code, -EBADF);
	assert_true(is_readable(door->intake.fd));
	assert_int_equal(door->lobby.count, door->lobby.seat_count - 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_gives_back_what_it_was_given_in_order),
		TEST(one_too_many_is_refused),
		TEST(what_waits_is_closed_with_it),
		TEST(silent_ones_keep_their_seats),
		TEST(a_stranger_has_the_time_it_was_given),
		TEST(a_full_lobby_takes_no_more),
	};

	return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
