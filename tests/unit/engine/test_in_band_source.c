/* SPDX-License-Identifier: BSD-3-Clause */
/* A real target, and a source that has one connection for all. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "engine/link/heartbeat.h"
#include "engine/wire/bytes.h"
#include "tests/unit/engine/fake_source.h"
#include "util/clock.h"

/* Many times what the target below waits. */
#define SILENT_MS 1000

/* In place of the library's: seconds would be too long for a test. */
const struct rj_heartbeat_limits rj_heartbeat_limits = {
	.quiet_ns = UINT64_C(50000000),
	.dead_ns = UINT64_C(60000000000),
};

/* HELLO, BLOCKS, ACCEPT; returns what was sent. */
static uint64_t connect_for_all(struct fake_source *s)
{
	const struct rj_hello hello = {
		.version_min = RJ_WIRE_VERSION,
		.version_max = RJ_WIRE_VERSION,
		.role = RJ_ROLE_BOTH,
		.channel_count = 1,
		.session = FAKE_SOURCE_SESSION,
	};
	const struct rj_wire_block block = {
		.name = "ram0",
		.bytes = FAKE_SOURCE_PAGES * RAMJET_PAGE_BYTES,
		.page_bytes = RAMJET_PAGE_BYTES,
	};
	struct rj_frame frame = { .type = RJ_FRAME_BLOCKS };
	uint8_t body[128];
	uint64_t sent = RJ_HEADER_BYTES + RJ_HELLO_BYTES;

	s->peer.control = wire_peer_connect(s->move.folder);
	assert_true(wire_peer_send_hello(s->peer.control, &hello));
	frame.payload_bytes = (uint32_t)rj_blocks_encode(&block, 1, body);
	sent += wire_peer_frame_bytes(&frame);
	assert_true(wire_peer_send(s->peer.control, &frame, NULL, body));
	assert_true(wire_peer_await(s->peer.control, RJ_FRAME_ACCEPT, &frame));
	return sent;
}

static void send_page(struct fake_source *s)
{
	const struct rj_wire_run run = { 0, 1, RJ_RUN_RAW };
	const struct rj_frame frame = {
		.type = RJ_FRAME_PAGES,
		.run_count = 1,
		.payload_bytes = RAMJET_PAGE_BYTES,
	};
	uint8_t table[RJ_RUN_BYTES];

	rj_run_encode(&run, table);
	assert_true(wire_peer_send(s->peer.control, &frame, table,
				   fake_source_page));
}

/* An answer is a sign of life: the next question is for the next silence. */
static void who_has_answered_is_left_in_peace(void **state)
{
	struct fake_source *s = *state;
	uint64_t answered_ns = 0;
	uint8_t body[RJ_PING_BYTES];
	struct rj_frame frame;

	fake_source_begin(s);
	(void)connect_for_all(s);
	send_page(s);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(wire_peer_read(s->peer.control, &frame, body,
					   sizeof(body)));
		assert_int_equal(frame.type, RJ_FRAME_PING);
		assert_true(rj_now_ns() - answered_ns >=
			    rj_heartbeat_limits.quiet_ns);
		answered_ns = rj_now_ns();
		assert_true(wire_peer_send_ping(s->peer.control, RJ_FRAME_PONG,
						rj_get64(body)));
	}
}

/* It looks through its memory first, however long that takes, and reads
 * nothing meanwhile. */
static void before_its_first_page_it_is_not_asked(void **state)
{
	struct fake_source *s = *state;
	struct pollfd asked = { .events = POLLIN };
	struct rj_frame frame;

	fake_source_begin(s);
	(void)connect_for_all(s);
	asked.fd = s->peer.control;
	assert_int_equal(poll(&asked, 1, SILENT_MS), 0);
	send_page(s);
	assert_true(wire_peer_read(s->peer.control, &frame, NULL, 0));
	assert_int_equal(frame.type, RJ_FRAME_PING);
}

/* By the bytes that the source has sent, not by those it was sent. */
static void a_bad_frame_is_named_by_its_offset(void **state)
{
	struct fake_source *s = *state;
	char place[64];

	fake_source_begin(s);
	(void)snprintf(place, sizeof(place), "channel 0, offset %llu:",
		       (unsigned long long)connect_for_all(s));
	assert_true(
		wire_peer_send_round(s->peer.control, RJ_FRAME_FENCE, 5, 0));
	fake_source_await_target(s);
	move_expect_error(&s->move.target_err, -EPROTO, place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_SOURCE_TEST(who_has_answered_is_left_in_peace),
		FAKE_SOURCE_TEST(before_its_first_page_it_is_not_asked),
		FAKE_SOURCE_TEST(a_bad_frame_is_named_by_its_offset),
	};

	return cmocka_run_group_tests_name("in-band source", tests, NULL, NULL);
}
