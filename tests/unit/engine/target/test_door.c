/* SPDX-License-Identifier: BSD-3-Clause */
/* Who returns is kept for the control thread, by place; all others are told why
 * not. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/link/event.h"
#include "engine/target/door.h"
#include "util/clock.h"

#define LANES  3u
#define WISHED 5u

struct scene {
	struct rj_door door;
	struct rj_lobby lobby;
	struct rj_listener listener;
	struct rj_uri uri;
	struct rj_log log;
	char folder[32];
	int event_fd;
};

static const struct rj_hello session = {
	.version_min = RJ_WIRE_VERSION,
	.version_max = RJ_WIRE_VERSION,
	.role = RJ_ROLE_CONTROL,
	.channel_count = WISHED,
	.session = "0123456789abcde",
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	char text[64];

	assert_non_null(s);
	(void)snprintf(s->folder, sizeof(s->folder), "/tmp/ramjet-test-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	(void)snprintf(text, sizeof(text), "unix:%s/socket", s->folder);
	assert_int_equal(rj_uri_parse(text, &s->uri, NULL), 0);
	assert_int_equal(rj_listen(&s->uri, &s->listener, NULL), 0);
	assert_int_equal(rj_lobby_init(&s->lobby, &s->listener, NULL), 0);
	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(rj_door_open(&s->door, &s->lobby, &session, LANES,
				      s->event_fd, &s->log, NULL),
			 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_door_close(&s->door);
	rj_door_close(&s->door);
	rj_listener_close(&s->listener);
	(void)close(s->event_fd);
	(void)rmdir(s->folder);
	free(s);
	return 0;
}

static struct rj_conn knock(struct scene *s, const struct rj_hello *hello)
{
	struct rj_conn conn = RJ_CONN_NONE;

	assert_int_equal(rj_connect(&s->uri, 0, -1, &conn, NULL), 0);
	if (hello)
		assert_int_equal(rj_hello_send(&conn, hello, 0, -1, NULL), 0);
	return conn;
}

static struct rj_hello of_lane(uint16_t lane, uint32_t epoch)
{
	struct rj_hello hello = session;

	hello.role = RJ_ROLE_DATA;
	hello.channel_index = lane;
	hello.channel_count = LANES;
	hello.epoch = epoch;
	return hello;
}

static void await_event(struct scene *s)
{
	struct pollfd fd = { .fd = s->event_fd, .events = POLLIN };

	assert_int_equal(poll(&fd, 1, -1), 1);
	rj_event_clear(s->event_fd);
}

/* The other end of `conn` is closed. */
static void expect_closed(struct rj_conn *conn)
{
	uint8_t byte;

	assert_int_equal(rj_recv_all(conn, &byte, 1, 0, -1), -ENODATA);
	(void)rj_conn_close(conn, 0, NULL);
}

/* FAILED with this code and these words, and then the end. */
static void expect_refused(struct scene *s, const struct rj_hello *hello,
			   int code, const char *words)
{
	struct rj_conn conn = knock(s, hello);
	struct ramjet_error err = { 0 };
	struct rj_hello answer;

	assert_int_equal(rj_hello_receive(&conn, &answer, 0, -1, &err), code);
	if (!strstr(err.message, words))
		fail_msg("'%s', wanted '%s'", err.message, words);
	expect_closed(&conn);
}

static void who_returns_is_kept_in_its_place(void **state)
{
	struct scene *s = *state;
	struct rj_hello control = session, lane = of_lane(2, 7);
	struct rj_conn first, second;
	struct rj_visitor visitor;

	assert_false(rj_door_has_visitors(&s->door));
	assert_false(rj_door_take(&s->door, 2, &visitor));
	first = knock(s, &lane);
	await_event(s);
	assert_true(rj_door_has_visitors(&s->door));
	assert_false(rj_door_take(&s->door, 0, &visitor));
	assert_false(rj_door_take(&s->door, RJ_DOOR_CONTROL, &visitor));
	control.epoch = 1;
	second = knock(s, &control);
	await_event(s);
	assert_true(rj_door_take(&s->door, 2, &visitor));
	assert_int_equal(visitor.hello.epoch, 7);
	assert_int_equal(visitor.why.code, 0);
	(void)rj_conn_close(&visitor.conn, 0, NULL);
	expect_closed(&first);
	assert_false(rj_door_take(&s->door, 2, &visitor));
	assert_true(rj_door_has_visitors(&s->door));
	assert_true(rj_door_take(&s->door, RJ_DOOR_CONTROL, &visitor));
	assert_int_equal(visitor.hello.role, RJ_ROLE_CONTROL);
	assert_false(rj_door_has_visitors(&s->door));
	(void)rj_conn_close(&visitor.conn, 0, NULL);
	expect_closed(&second);
}

static void of_two_for_one_place_the_newer_stays(void **state)
{
	struct scene *s = *state;
	struct rj_hello older = of_lane(0, 1), newer = of_lane(0, 2);
	struct rj_conn first = knock(s, &older), second;
	struct rj_visitor visitor;

	await_event(s);
	second = knock(s, &newer);
	await_event(s);
	expect_closed(&first);
	assert_true(rj_door_take(&s->door, 0, &visitor));
	assert_int_equal(visitor.hello.epoch, 2);
	assert_false(rj_door_has_visitors(&s->door));
	(void)rj_conn_close(&visitor.conn, 0, NULL);
	(void)rj_conn_close(&second, 0, NULL);
}

static void strangers_are_told_that_it_is_busy(void **state)
{
	static const char busy[] = "another one is being served";
	struct scene *s = *state;
	struct rj_hello hello = of_lane(0, 1);

	/* Each byte of the secret counts. */
	for (unsigned i = 0; i < RJ_SESSION_BYTES; i++) {
		hello = of_lane(0, 1);
		hello.session[i] ^= 0x40;
		expect_refused(s, &hello, -EBUSY, busy);
	}
	expect_refused(s, &session, -EBUSY, busy);
	hello = of_lane(0, 0);
	expect_refused(s, &hello, -EBUSY, busy);
	hello = (struct rj_hello){
		.version_min = RJ_WIRE_VERSION,
		.version_max = RJ_WIRE_VERSION,
		.role = RJ_ROLE_BOTH,
		.channel_count = 1,
	};
	expect_refused(s, &hello, -EBUSY, busy);
	assert_false(rj_door_has_visitors(&s->door));
}

static void the_number_of_channels_must_be_the_session_s(void **state)
{
	struct scene *s = *state;
	struct rj_hello hello = of_lane(0, 1);

	hello.channel_count = LANES + 1;
	expect_refused(s, &hello, -EPROTO, "names 4 channels, wanted 3");
	/* Of the control link it is what the source wished for. */
	hello = session;
	hello.epoch = 1;
	hello.channel_count = LANES;
	expect_refused(s, &hello, -EPROTO, "names 3 channels, wanted 5");
	assert_false(rj_door_has_visitors(&s->door));
}

static void the_silent_and_the_noisy_keep_nobody_out(void **state)
{
	struct scene *s = *state;
	struct rj_conn silent[RJ_LOBBY_SEATS + 4], noisy = knock(s, NULL);
	const struct rj_hello hello = of_lane(1, 1);
	struct rj_visitor visitor;
	struct rj_conn conn;

	assert_int_equal(
		rj_send_all(&noisy, "GET / HTTP/1.1\r\n\r\n", 18, 0, -1), 0);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(silent); i++)
		silent[i] = knock(s, NULL);
	conn = knock(s, &hello);
	await_event(s);
	assert_true(rj_door_take(&s->door, 1, &visitor));
	(void)rj_conn_close(&visitor.conn, 0, NULL);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(silent); i++)
		(void)rj_conn_close(&silent[i], 0, NULL);
	(void)rj_conn_close(&noisy, 0, NULL);
	(void)rj_conn_close(&conn, 0, NULL);
}

static void who_was_in_the_lobby_before_is_heard(void **state)
{
	struct scene *s = *state;
	const struct rj_hello hello = of_lane(1, 1);
	struct rj_conn early, stranger;
	struct rj_visitor visitor;

	rj_door_close(&s->door);
	assert_int_equal(rj_lobby_init(&s->lobby, &s->listener, NULL), 0);
	early = knock(s, NULL);
	stranger = knock(s, &session);
	/* Both have a seat when the second one is heard. */
	assert_int_equal(rj_lobby_next(&s->lobby, 0, -1, &visitor, NULL), 0);
	(void)rj_conn_close(&visitor.conn, 0, NULL);
	assert_int_equal(rj_door_open(&s->door, &s->lobby, &session, LANES,
				      s->event_fd, &s->log, NULL),
			 0);
	assert_int_equal(rj_hello_send(&early, &hello, 0, -1, NULL), 0);
	await_event(s);
	assert_true(rj_door_take(&s->door, 1, &visitor));
	(void)rj_conn_close(&visitor.conn, 0, NULL);
	(void)rj_conn_close(&early, 0, NULL);
	(void)rj_conn_close(&stranger, 0, NULL);
}

static void its_end_closes_all_who_wait(void **state)
{
	struct scene *s = *state;
	const struct rj_hello hello = of_lane(1, 1);
	struct rj_conn silent = knock(s, NULL), kept = knock(s, &hello);
	struct rj_visitor visitor;

	await_event(s);
	rj_door_close(&s->door);
	expect_closed(&kept);
	expect_closed(&silent);
	assert_false(rj_door_take(&s->door, 1, &visitor));
}

int main(void)
{
#define DOOR(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		DOOR(who_returns_is_kept_in_its_place),
		DOOR(of_two_for_one_place_the_newer_stays),
		DOOR(strangers_are_told_that_it_is_busy),
		DOOR(the_number_of_channels_must_be_the_session_s),
		DOOR(the_silent_and_the_noisy_keep_nobody_out),
		DOOR(who_was_in_the_lobby_before_is_heard),
		DOOR(its_end_closes_all_who_wait),
	};

	return cmocka_run_group_tests_name("door", tests, NULL, NULL);
}
