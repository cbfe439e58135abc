/* SPDX-License-Identifier: BSD-3-Clause */
/* What a peer says last is heard, whatever it asked before. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/link/link_keeper.h"
#include "engine/link/link_wait.h"
#include "util/clock.h"

#define MINUTE_NS (60 * UINT64_C(1000000000))

struct pair {
	struct rj_link link;
	int event_fd;
};

/* A peer that has asked, said why it gives up, and is gone. */
static void begin(struct pair *p)
{
	const struct rj_frame ping = {
		.type = RJ_FRAME_PING,
		.payload_bytes = RJ_PING_BYTES,
	};
	const struct rj_frame cancel = { .type = RJ_FRAME_CANCEL };
	const uint8_t token[RJ_PING_BYTES] = { 1 };
	uint8_t header[RJ_HEADER_BYTES];
	struct rj_conn conn;
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	rj_frame_encode(&ping, NULL, token, header);
	assert_int_equal(write(fds[0], header, sizeof(header)), sizeof(header));
	assert_int_equal(write(fds[0], token, sizeof(token)), sizeof(token));
	rj_frame_encode(&cancel, NULL, NULL, header);
	assert_int_equal(write(fds[0], header, sizeof(header)), sizeof(header));
	(void)close(fds[0]);
	conn = rj_conn_bare(fds[1], RJ_CONN_UNIX);
	rj_link_init(&p->link, &conn, -1);
	p->link.answers = true;
	p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(p->event_fd >= 0);
}

static void expect_cancel_and_end(struct pair *p)
{
	const uint64_t deadline_ns = rj_now_ns() + MINUTE_NS;
	struct ramjet_error err = { 0 };
	struct rj_message message = { 0 };

	if (rj_link_wait(&p->link, deadline_ns, &message, &err))
		fail_msg("%s", err.message);
	assert_int_equal(message.frame.type, RJ_FRAME_CANCEL);
	rj_message_done(&message);
	assert_int_equal(rj_link_wait(&p->link, deadline_ns, &message, &err),
			 -ENODATA);
}

static void end(struct pair *p)
{
	(void)close(p->link.conn.fd);
	(void)close(p->event_fd);
	rj_link_done(&p->link);
}

static void last_words_behind_a_question_are_kept(void **state)
{
	struct rj_link_keeper keeper = { 0 };
	struct pair p;

	(void)state;
	begin(&p);
	assert_int_equal(
		rj_link_keeper_start(&keeper, &p.link, p.event_fd, 4096, NULL),
		0);
	expect_cancel_and_end(&p);
	rj_link_keeper_stop(&keeper);
	end(&p);
	rj_link_keeper_done(&keeper);
}

static void so_they_are_by_who_reads_himself(void **state)
{
	struct pair p;

	(void)state;
	begin(&p);
	expect_cancel_and_end(&p);
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_words_behind_a_question_are_kept),
		cmocka_unit_test(so_they_are_by_who_reads_himself),
	};

	return cmocka_run_group_tests_name("link keeper", tests, NULL, NULL);
}
