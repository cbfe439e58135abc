/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/losing_source.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/migration/migration.h"
#include "engine/target/incoming.h"
#include "ramjet-connect.h"

/* Long enough for any machine: nothing here waits for it. */
#define WINDOW_MS 60000u

/* The target and its two lanes, which may be lost. */
static void begin(struct fake_source *s, uint32_t reconnect_ms)
{
	s->move.incoming->in->lanes_may_be_lost = true;
	s->move.incoming->in->reconnect_ms = reconnect_ms;
	fake_source_connect(s, WIRE_PEER_CHANNELS);
}

void losing_begin_with(struct fake_source *s, uint32_t reconnect_ms)
{
	fake_source_begin(s);
	begin(s, reconnect_ms);
}

void losing_begin_on(struct fake_source *s, enum ramjet_backend backend)
{
	fake_source_prepare(s);
	s->move.target_params.backend = backend;
	move_listen(&s->move);
	begin(s, WINDOW_MS);
}

/* ---- connections of the VMM's own ---------------------------------------- */

static int fd_of(void *user)
{
	return (int)(intptr_t)user;
}

static ssize_t own_send(void *user, const struct iovec *iov, unsigned count)
{
	const struct msghdr message = { .msg_iov = (struct iovec *)iov,
					.msg_iovlen = count };
	const ssize_t n =
		sendmsg(fd_of(user), &message, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

static ssize_t own_receive(void *user, const struct iovec *iov, unsigned count)
{
	struct msghdr message = { .msg_iov = (struct iovec *)iov,
				  .msg_iovlen = count };
	const ssize_t n = recvmsg(fd_of(user), &message, MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

static void own_close(void *user)
{
	(void)close(fd_of(user));
}

static int own_poll_fd(void *user, short *events)
{
	(void)events;
	return fd_of(user);
}

static int give(struct fake_source *s)
{
	static const struct ramjet_connection_ops ops = {
		RAMJET_CONNECTION_OPS_INIT, .send = own_send,
		.receive = own_receive,     .close = own_close,
		.poll_fd = own_poll_fd,
	};
	struct ramjet_connection given = { RAMJET_CONNECTION_INIT };
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	given.ops = &ops;
	given.user = (void *)(intptr_t)fds[1];
	assert_int_equal(ramjet_incoming_give(s->move.incoming, &given, NULL),
			 0);
	return fds[0];
}

void losing_begin_given(struct fake_source *s)
{
	fake_source_prepare(s);
	s->connect = give;
	assert_int_equal(ramjet_incoming_over(s->move.target.guest, "the VMM's",
					      &s->move.target_params,
					      &s->move.incoming, NULL),
			 0);
	begin(s, WINDOW_MS);
}

void losing_begin(struct fake_source *s)
{
	losing_begin_with(s, WINDOW_MS);
}

/* ---- what the source sends ---------------------------------------------- */

/* A frame of one raw page, all of one byte: `bytes` of it. */
void losing_send_part(int fd, uint32_t round, uint64_t page, uint8_t fill,
		      size_t bytes)
{
	const struct rj_wire_run run = { page, 1, RJ_RUN_RAW };
	const struct rj_frame frame = {
		.type = RJ_FRAME_PAGES,
		.round = round,
		.run_count = 1,
		.payload_bytes = RAMJET_PAGE_BYTES,
	};
	uint8_t wire[RJ_HEADER_BYTES + RJ_RUN_BYTES + RAMJET_PAGE_BYTES];

	rj_run_encode(&run, wire + RJ_HEADER_BYTES);
	memset(wire + RJ_HEADER_BYTES + RJ_RUN_BYTES, fill, RAMJET_PAGE_BYTES);
	rj_frame_encode(&frame, wire + RJ_HEADER_BYTES, NULL, wire);
	assert_true(wire_peer_send_bytes(
		fd, wire, bytes < sizeof(wire) ? bytes : sizeof(wire)));
}

void losing_send_page(struct fake_source *s, unsigned lane, uint32_t round,
		      uint64_t page, uint8_t fill)
{
	losing_send_part(s->peer.data[lane], round, page, fill, SIZE_MAX);
}

void losing_fence(struct fake_source *s, unsigned lane, uint32_t round,
		  bool final)
{
	assert_true(wire_peer_send_round(s->peer.data[lane], RJ_FRAME_FENCE,
					 round, final ? RJ_FLAG_FINAL : 0));
}

void losing_switchover(struct fake_source *s, uint32_t round)
{
	assert_true(wire_peer_send_round(s->peer.control, RJ_FRAME_SWITCHOVER,
					 round, 0));
}

void losing_say_lost(struct fake_source *s, const struct rj_lost *lost)
{
	const struct rj_frame frame = { .type = RJ_FRAME_LOST,
					.payload_bytes = RJ_LOST_BYTES };
	uint8_t body[RJ_LOST_BYTES];

	rj_lost_encode(lost, body);
	assert_true(fake_source_say(s, &frame, body));
}

void losing_say_back(struct fake_source *s, unsigned lane, uint32_t epoch,
		     uint32_t round)
{
	const struct rj_lane_round back = { (uint16_t)lane, epoch, round };
	const struct rj_frame frame = { .type = RJ_FRAME_BACK,
					.payload_bytes = RJ_LANE_ROUND_BYTES };
	uint8_t body[RJ_LANE_ROUND_BYTES];

	rj_lane_round_encode(&back, body);
	assert_true(fake_source_say(s, &frame, body));
}

/* Another connection of this lane; the one before is closed. */
void losing_come_back(struct fake_source *s, unsigned lane, uint32_t epoch)
{
	const struct rj_hello hello = {
		.version_min = RJ_WIRE_VERSION,
		.version_max = RJ_WIRE_VERSION,
		.role = RJ_ROLE_DATA,
		.channel_index = (uint16_t)lane,
		.channel_count = WIRE_PEER_CHANNELS,
		.session = FAKE_SOURCE_SESSION,
		.epoch = epoch,
	};

	wire_peer_close(&s->peer.data[lane]);
	s->peer.data[lane] = wire_peer_connect(s->move.folder);
	assert_true(wire_peer_send_hello(s->peer.data[lane], &hello));
}

/* ---- what the target says ----------------------------------------------- */

/* Of the control link, forgetting what comes before but READY, which must not. */
void losing_await_body(struct fake_source *s, enum rj_frame_type type,
		       uint8_t *body, size_t bytes)
{
	struct rj_frame frame;

	do {
		assert_true(
			wire_peer_read(s->peer.control, &frame, body, bytes));
		assert_true(frame.type == type || frame.type != RJ_FRAME_READY);
		if (frame.type == RJ_FRAME_FAILED)
			fail_msg("the target fails");
	} while (frame.type != type);
}

void losing_expect_lost(struct fake_source *s, unsigned lane, uint32_t epoch,
			uint64_t frames, bool finished)
{
	uint8_t body[RJ_LOST_BYTES];
	struct rj_lost lost;

	losing_await_body(s, RJ_FRAME_LOST, body, sizeof(body));
	assert_int_equal(rj_lost_decode(body, sizeof(body), WIRE_PEER_CHANNELS,
					&lost, NULL),
			 0);
	assert_int_equal(lost.lane, lane);
	assert_int_equal(lost.epoch, epoch);
	assert_int_equal(lost.frames, frames);
	assert_int_equal(lost.finished, finished);
}

void losing_expect_joined(struct fake_source *s, unsigned lane, uint32_t epoch,
			  uint32_t round)
{
	uint8_t body[RJ_LANE_ROUND_BYTES];
	struct rj_lane_round joined;

	losing_await_body(s, RJ_FRAME_JOINED, body, sizeof(body));
	assert_int_equal(rj_lane_round_decode(RJ_FRAME_JOINED, body,
					      sizeof(body), WIRE_PEER_CHANNELS,
					      &joined, NULL),
			 0);
	assert_int_equal(joined.lane, lane);
	assert_int_equal(joined.epoch, epoch);
	assert_int_equal(joined.round, round);
}

void losing_expect_applied(struct fake_source *s, uint32_t round)
{
	struct rj_frame frame;

	do
		assert_true(wire_peer_await(s->peer.control, RJ_FRAME_APPLIED,
					    &frame));
	while (frame.round != round);
}

/* Until TAKEN tells of so many frames of a lane, and whether it waits. */
void losing_await_taken(struct fake_source *s, unsigned lane, uint64_t frames,
			bool waits)
{
	uint8_t body[WIRE_PEER_CHANNELS * RJ_TAKEN_BYTES];
	struct rj_taken taken[WIRE_PEER_CHANNELS];

	do {
		losing_await_body(s, RJ_FRAME_TAKEN, body, sizeof(body));
		assert_int_equal(rj_taken_decode(body, sizeof(body),
						 WIRE_PEER_CHANNELS, taken,
						 NULL),
				 0);
		assert_true(taken[lane].frames <= frames);
	} while (taken[lane].frames != frames || taken[lane].waits != waits);
}

void losing_expect_page(const struct fake_source *s, uint64_t page,
			uint8_t fill)
{
	const struct guarded *ram = &s->move.target.ram[0];
	const uint8_t *host = ram->host + page * RAMJET_PAGE_BYTES;

	for (size_t i = 0; i < RAMJET_PAGE_BYTES; i++)
		if (host[i] != fill)
			fail_msg("page %u, byte %zu: %u, wanted %u",
				 (unsigned)page, i, host[i], fill);
}

/* READY may come now, and everything is there. */
void losing_expect_done(struct fake_source *s)
{
	uint8_t body[RJ_READY_BYTES];

	losing_await_body(s, RJ_FRAME_READY, body, sizeof(body));
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
	assert_true(wire_peer_send_commit(s->peer.control, LOSING_TOKEN));
	fake_source_await_target(s);
	if (s->move.target_rc)
		fail_msg("the target: %s", s->move.target_err.message);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 1);
	assert_true(guarded_is_intact(&s->move.target.ram[0]));
}

void losing_expect_failed(struct fake_source *s, int code, const char *words)
{
	struct ramjet_error theirs;

	fake_source_await_target(s);
	move_expect_error(&s->move.target_err, code, words);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
	assert_true(guarded_is_intact(&s->move.target.ram[0]));
	wire_peer_hear_end(s->peer.control, &theirs);
	assert_int_equal(theirs.code, code);
}
