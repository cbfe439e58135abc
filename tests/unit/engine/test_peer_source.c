/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A source that sends nonsense on its channels, or ends at any step. The
 * target's guest must never start, nothing but what was legally sent may be in
 * its memory, and the report names the connection and the place.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/wire/bytes.h"
#include "tests/unit/engine/fake_source.h"

#define TOKEN UINT64_C(0x1122334455667788)

#define BAD_PAGE 40u /* what refused frames try to write */

static void the_whole_course_works(void **state)
{
	struct fake_source *s = *state;
	uint8_t body[RJ_RUNNING_BYTES];
	struct rj_running running;
	struct rj_frame frame;

	fake_source_begin(s);
	fake_source_reach(s, STEP_READY);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
	assert_true(wire_peer_send_commit(s->peer.control, TOKEN));
	do
		assert_true(wire_peer_read(s->peer.control, &frame, body,
					   sizeof(body)));
	while (frame.type != RJ_FRAME_RUNNING);
	assert_int_equal(rj_running_decode(body, sizeof(body), &running, NULL),
			 0);
	assert_true(running.token == TOKEN);
	fake_source_await_target(s);
	assert_int_equal(s->move.target_rc, 0);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 1);
	assert_memory_equal(s->move.target.ram[0].host, fake_source_page,
			    RAMJET_PAGE_BYTES);
	fake_source_expect_clean(s);
	small_vm_expect_states(&s->move.target,
			       "setup active switchover committed completed");
}

/* ---- data channels ------------------------------------------------------------------ */

/* A frame with one run and, if raw, its page, on channel 0. */
struct bad_frame {
	struct rj_frame frame;
	uint64_t runs[3]; /* as on the wire */
	int code;
	const char *part;
};

#define RUN(page, count, kind) \
	((uint64_t)(page) | (uint64_t)(count) << 40 | (uint64_t)(kind) << 60)
#define PAGES_FRAME(...)                            \
	{                                           \
		.type = RJ_FRAME_PAGES, __VA_ARGS__ \
	}
#define ONE_RAW .run_count = 1, .payload_bytes = RAMJET_PAGE_BYTES

/* clang-format off */
static const struct bad_frame bad_frames[] = {
	{ PAGES_FRAME(ONE_RAW, .round = 1), { RUN(BAD_PAGE, 1, 0) },
	  -EPROTO, "round 1, wanted round 0" },
	{ PAGES_FRAME(ONE_RAW, .block = 1), { RUN(BAD_PAGE, 1, 0) },
	  -EPROTO, "block 1" },
	{ PAGES_FRAME(ONE_RAW), { RUN(FAKE_SOURCE_PAGES, 1, 0) },
	  -EPROTO, "ram0" },
	{ PAGES_FRAME(ONE_RAW), { RUN((UINT64_C(1) << 40) - 1, 1, 0) },
	  -EPROTO, "ram0" },
	{ PAGES_FRAME(.run_count = 1,
		      .payload_bytes = 2 * RAMJET_PAGE_BYTES),
	  { RUN(FAKE_SOURCE_PAGES - 1, 2, 0) }, -EPROTO, "ram0" },
	{ PAGES_FRAME(.run_count = 2,
		      .payload_bytes = 2 * RAMJET_PAGE_BYTES),
	  { RUN(BAD_PAGE, 1, 0), RUN(BAD_PAGE, 1, 0) }, -EPROTO, "ram0" },
	{ PAGES_FRAME(.run_count = 2,
		      .payload_bytes = 2 * RAMJET_PAGE_BYTES),
	  { RUN(BAD_PAGE, 1, 0), RUN(BAD_PAGE - 1, 1, 0) }, -EPROTO, "ram0" },
	{ PAGES_FRAME(ONE_RAW), { RUN(BAD_PAGE, 2, 0) },
	  -EPROTO, "ram0" },
	{ PAGES_FRAME(ONE_RAW), { RUN(BAD_PAGE, 1, 1) },
	  -EPROTO, "ram0" },
	{ PAGES_FRAME(.run_count = 1), { RUN(BAD_PAGE, 1, 0) },
	  -EPROTO, "ram0" },
	{ PAGES_FRAME(ONE_RAW), { RUN(BAD_PAGE, 0, 0) },
	  -EPROTO, "ram0" },
	{ PAGES_FRAME(ONE_RAW), { RUN(BAD_PAGE, 1, 2) },
	  -EPROTO, "ram0" },
	/* A zero run over all, then something wrong: neither may happen. */
	{ PAGES_FRAME(.run_count = 2, .payload_bytes = RAMJET_PAGE_BYTES),
	  { RUN(0, 1, 1), RUN(FAKE_SOURCE_PAGES, 1, 0) }, -EPROTO, "ram0" },
	{ { .type = RJ_FRAME_FENCE, .round = 1 }, { 0 },
	  -EPROTO, "round 1" },
	{ { .type = RJ_FRAME_FENCE, .round = 0xffffffff }, { 0 },
	  -EPROTO, "round 4294967295" },
	{ { .type = RJ_FRAME_ACCEPT, .payload_bytes = RJ_ACCEPT_BYTES },
	  { 0 }, -EPROTO, "ACCEPT" },
	{ { .type = RJ_FRAME_COMMIT, .payload_bytes = RJ_COMMIT_BYTES },
	  { 0 }, -EPROTO, "COMMIT" },
	{ { .type = RJ_FRAME_SWITCHOVER }, { 0 }, -EPROTO, "SWITCHOVER" },
	{ { .type = RJ_FRAME_STATE, .aux = 1 }, { 0 }, -EPROTO, "STATE" },
	{ { .type = 0x7e }, { 0 }, -EPROTO, "0x7e" },
	{ { .type = 0x11, .run_count = 1, .payload_bytes = 1 },
	  { RUN(BAD_PAGE, 1, 0) }, -EPROTO, "0x11" },
};
/* clang-format on */

static void run_bad_frame(struct fake_source *s, const struct bad_frame *bad)
{
	static const uint8_t payload[2 * RAMJET_PAGE_BYTES] = { 0xee };
	uint8_t table[3 * RJ_RUN_BYTES];
	char place[64];

	for (unsigned i = 0; i < 3; i++)
		for (unsigned byte = 0; byte < RJ_RUN_BYTES; byte++)
			table[i * RJ_RUN_BYTES + byte] =
				(uint8_t)(bad->runs[i] >> 8 * byte);
	fake_source_begin(s);
	fake_source_reach(s, STEP_ACTIVE);
	(void)fake_source_place(s, false, place);
	(void)fake_source_pages(s, &bad->frame, table, payload);
	fake_source_expect_refused(s, STEP_ACTIVE, bad->code, place);
	move_expect_error(&s->move.target_err, bad->code, bad->part);
	/* The page before it is whole, zero run or not. */
	assert_memory_equal(s->move.target.ram[0].host, fake_source_page,
			    RAMJET_PAGE_BYTES);
	fake_source_done(s);
}

static void bad_frames_on_a_channel_are_refused_and_named(void **state)
{
	for (unsigned i = 0; i < sizeof(bad_frames) / sizeof(bad_frames[0]);
	     i++)
		run_bad_frame(*state, &bad_frames[i]);
}

static void a_table_with_a_wrong_check_word_is_not_acted_on(void **state)
{
	const struct rj_wire_run run = { 0, 1, RJ_RUN_ZERO };
	const struct rj_frame frame = { .type = RJ_FRAME_PAGES,
					.run_count = 1 };
	uint8_t wire[RJ_HEADER_BYTES + RJ_RUN_BYTES];
	struct fake_source *s = *state;
	char place[64];

	rj_run_encode(&run, wire + RJ_HEADER_BYTES);
	rj_frame_encode(&frame, wire + RJ_HEADER_BYTES, NULL, wire);
	wire[28] ^= 0x10;
	fake_source_begin(s);
	fake_source_reach(s, STEP_ACTIVE);
	(void)fake_source_place(s, false, place);
	assert_true(wire_peer_send_bytes(s->peer.data[0], wire, sizeof(wire)));
	fake_source_expect_refused(s, STEP_ACTIVE, -EBADMSG, place);
	assert_memory_equal(s->move.target.ram[0].host, fake_source_page,
			    RAMJET_PAGE_BYTES);
}

static void garbage_on_a_channel_is_named(void **state)
{
	uint8_t garbage[RJ_HEADER_BYTES];
	struct fake_source *s = *state;
	char place[64];

	memset(garbage, 0x5a, sizeof(garbage));
	fake_source_begin(s);
	fake_source_reach(s, STEP_ACTIVE);
	(void)fake_source_place(s, false, place);
	assert_true(wire_peer_send_bytes(s->peer.data[0], garbage,
					 sizeof(garbage)));
	fake_source_expect_refused(s, STEP_ACTIVE, -EPROTO, place);
}

static void optional_frames_nobody_knows_are_skipped(void **state)
{
	const struct rj_frame frame = {
		.type = 0x7e,
		.flags = RJ_FLAG_OPTIONAL,
		.run_count = 3,
		.payload_bytes = 10000,
	};
	const struct rj_frame control = {
		.type = 0x7d,
		.flags = RJ_FLAG_OPTIONAL,
		.payload_bytes = 1000,
	};
	static const uint8_t table[3 * RJ_RUN_BYTES] = { 1 };
	static const uint8_t payload[10000] = { 2 };
	struct fake_source *s = *state;
	struct rj_frame read;

	fake_source_begin(s);
	fake_source_reach(s, STEP_ACTIVE);
	assert_true(fake_source_pages(s, &frame, table, payload));
	assert_true(fake_source_say(s, &control, payload));
	assert_true(fake_source_one_page(s, 0));
	fake_source_final_fences(s);
	fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	assert_true(fake_source_say(s, &control, payload));
	assert_true(fake_source_say_type(s, RJ_FRAME_SWITCHOVER));
	assert_true(wire_peer_await(s->peer.control, RJ_FRAME_READY, &read));
	assert_true(wire_peer_send_commit(s->peer.control, TOKEN));
	fake_source_await_target(s);
	assert_int_equal(s->move.target_rc, 0);
	fake_source_expect_clean(s);
}

/* ---- other sessions --------------------------------------------------------- */

static struct rj_hello stranger(unsigned which)
{
	struct rj_hello hello = {
		.version_min = RJ_WIRE_VERSION,
		.version_max = RJ_WIRE_VERSION,
		.role = RJ_ROLE_DATA,
		.channel_count = WIRE_PEER_CHANNELS,
		.session = FAKE_SOURCE_SESSION,
	};

	switch (which) {
	case 0:
		hello.session[3] ^= 1;
		break;
	case 1:
		hello.role = RJ_ROLE_CONTROL;
		hello.session[3] ^= 1;
		break;
	case 2:
		hello.channel_count++;
		break;
	default: /* a channel that is there already */
		break;
	}
	return hello;
}

static void expect_refusal(struct fake_source *s, unsigned which, int code)
{
	const struct rj_hello hello = stranger(which);
	int fd = wire_peer_connect(s->move.folder);
	struct ramjet_error said;

	assert_true(wire_peer_send_hello(fd, &hello));
	wire_peer_hear_end(fd, &said);
	wire_peer_close(&fd);
	assert_int_equal(said.code, code);
}

static void expect_whole_course(struct fake_source *s)
{
	fake_source_go_on(s, STEP_READY);
	assert_true(wire_peer_send_commit(s->peer.control, TOKEN));
	fake_source_await_target(s);
	assert_int_equal(s->move.target_rc, 0);
	fake_source_expect_clean(s);
}

/* Told so, and the session goes on without them. */
static void strangers_are_refused_and_do_not_disturb(void **state)
{
	static const int codes[] = { -EBUSY, -EBUSY, -EPROTO, -EPROTO };
	struct fake_source *s = *state;

	fake_source_begin(s);
	fake_source_connect(s, 1);
	for (unsigned i = 0; i < 4; i++)
		expect_refusal(s, i, codes[i]);
	fake_source_connect_channels(s, 1, WIRE_PEER_CHANNELS);
	expect_whole_course(s);
}

/* Before anybody has the session. */
static void strangers_that_come_first_are_refused(void **state)
{
	struct fake_source *s = *state;
	struct ramjet_error said;
	int fd;

	fake_source_begin(s);
	/* One who only looks whether somebody listens. */
	fd = wire_peer_connect(s->move.folder);
	wire_peer_close(&fd);
	/* A channel left over from another session. */
	expect_refusal(s, 3, -EPROTO);
	/* Other software. */
	fd = wire_peer_connect(s->move.folder);
	assert_true(wire_peer_send_bytes(fd, "GET / HTTP/1.1\r\n\r\n", 18));
	wire_peer_hear_end(fd, &said);
	wire_peer_close(&fd);
	assert_int_equal(said.code, -EPROTO);
	fake_source_connect(s, WIRE_PEER_CHANNELS);
	expect_whole_course(s);
	small_vm_expect_states(&s->move.target,
			       "setup active switchover committed completed");
}

/* Whoever says nothing keeps no source waiting, in either half of a
 * session's beginning. */
static void the_silent_block_nobody(void **state)
{
	struct fake_source *s = *state;
	int silent[4];

	fake_source_begin(s);
	silent[0] = wire_peer_connect(s->move.folder);
	silent[1] = wire_peer_connect(s->move.folder);
	assert_true(wire_peer_send_bytes(silent[1], "RMJ1", 4));
	fake_source_connect(s, 1);
	silent[2] = wire_peer_connect(s->move.folder);
	silent[3] = wire_peer_connect(s->move.folder);
	fake_source_connect_channels(s, 1, WIRE_PEER_CHANNELS);
	expect_whole_course(s);
	for (unsigned i = 0; i < 4; i++)
		wire_peer_close(&silent[i]);
}

/* Told why, both versions named, and a source that fits comes next. */
static void a_source_of_another_version_does_not_end_the_wait(void **state)
{
	struct rj_hello hello = stranger(1);
	struct fake_source *s = *state;
	struct ramjet_error said;
	int fd;

	hello.version_min = hello.version_max = 1;
	fake_source_begin(s);
	fd = wire_peer_connect(s->move.folder);
	assert_true(wire_peer_send_hello(fd, &hello));
	wire_peer_hear_end(fd, &said);
	wire_peer_close(&fd);
	move_expect_error(&said, -EPROTONOSUPPORT,
			  "peer speaks protocol version 1, this side speaks 2");
	fake_source_connect(s, WIRE_PEER_CHANNELS);
	expect_whole_course(s);
}

/* Who says that he fails never was a source of ours, whatever his reason. */
static void a_stranger_that_says_failed_does_not_end_the_wait(void **state)
{
	static const int codes[] = { -EPROTONOSUPPORT, -E2BIG, -EIO };
	struct fake_source *s = *state;
	struct ramjet_error said;
	int fd;

	fake_source_begin(s);
	for (unsigned i = 0; i < 3; i++) {
		fd = wire_peer_connect(s->move.folder);
		assert_true(wire_peer_send_failed(fd, codes[i], "I fail"));
		wire_peer_hear_end(fd, &said);
		wire_peer_close(&fd);
		assert_int_equal(said.code, codes[i]);
	}
	fake_source_connect(s, WIRE_PEER_CHANNELS);
	expect_whole_course(s);
}

static void a_ping_is_answered_at_every_step(void **state)
{
	struct fake_source *s = *state;
	struct rj_frame frame;
	uint8_t body[RJ_PING_BYTES];

	for (unsigned step = STEP_ACTIVE; step < STEP_COUNT_; step++) {
		fake_source_begin(s);
		fake_source_reach(s, step);
		assert_true(wire_peer_send_ping(s->peer.control, RJ_FRAME_PING,
						UINT64_C(77) << 40 | step));
		do
			assert_true(wire_peer_read(s->peer.control, &frame,
						   body, sizeof(body)));
		while (frame.type != RJ_FRAME_PONG);
		assert_true(rj_get64(body) == (UINT64_C(77) << 40 | step));
		fake_source_done(s);
	}
}

/* Not of a time that was over while it was still there. */
static void a_source_that_hangs_up_before_its_channels_is_named(void **state)
{
	struct fake_source *s = *state;
	struct rj_frame frame;

	fake_source_begin(s);
	fake_source_connect(s, 1);
	/* Answered while the target looks up from waiting for a connection:
	 * the second one not before it has once waited in vain. */
	for (uint64_t token = 1; token <= 3; token++) {
		assert_true(wire_peer_send_ping(s->peer.control, RJ_FRAME_PING,
						token));
		assert_true(wire_peer_await(s->peer.control, RJ_FRAME_PONG,
					    &frame));
	}
	wire_peer_hang_up(&s->peer);
	fake_source_await_target(s);
	/* 1 of them, or 2 on a machine that was too busy to look: */
	move_expect_error(&s->move.target_err, -ENODATA,
			  " of 2 channels are missing: control link: the peer "
			  "closed it");
}

static void frames_after_the_final_fence_are_refused(void **state)
{
	struct fake_source *s = *state;
	char place[64];

	fake_source_begin(s);
	fake_source_reach(s, STEP_STATE);
	(void)fake_source_place(s, false, place);
	assert_true(fake_source_one_page(s, 0));
	assert_true(fake_source_say_type(s, RJ_FRAME_SWITCHOVER));
	fake_source_await_target(s);
	move_expect_error(&s->move.target_err, -EPROTO, place);
	move_expect_error(&s->move.target_err, -EPROTO,
			  "more comes after the final fence");
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
}

/* ---- ends ------------------------------------------------------------------------------ */

static void expect_unstarted(struct fake_source *s)
{
	fake_source_await_target(s);
	assert_true(s->move.target_rc < 0);
	assert_true(s->move.target_err.message[0]);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
	small_vm_expect_last(&s->move.target, RAMJET_STATE_FAILED);
}

static void a_source_that_is_gone_at_any_step(void **state)
{
	struct fake_source *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++)
		for (unsigned control = 0; control < 2; control++) {
			fake_source_begin(s);
			fake_source_reach(s, step);
			if (control)
				wire_peer_hang_up(&s->peer);
			else
				wire_peer_done(&s->peer);
			expect_unstarted(s);
			fake_source_done(s);
		}
}

static void the_sources_reason_is_passed_on(void **state)
{
	struct fake_source *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		fake_source_begin(s);
		fake_source_reach(s, step);
		assert_true(wire_peer_send_failed(s->peer.control, -ENOSPC,
						  "out of luck"));
		wire_peer_cut_data(&s->peer);
		expect_unstarted(s);
		move_expect_error(&s->move.target_err, -ENOSPC, "out of luck");
		fake_source_done(s);
	}
}

static void a_hanging_source_does_not_keep_a_cancel_waiting(void **state)
{
	struct fake_source *s = *state;

	for (unsigned step = 0; step < STEP_READY; step++) {
		fake_source_begin(s);
		fake_source_reach(s, step);
		assert_int_equal(ramjet_cancel(s->move.incoming), 0);
		fake_source_await_target(s);
		assert_int_equal(s->move.target_rc, -ECANCELED);
		assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
		fake_source_done(s);
	}
}

/* COMMIT may be on its way: whoever has promised to run the guest does. */
static void a_target_that_is_ready_is_bound(void **state)
{
	struct fake_source *s = *state;
	struct rj_frame frame;

	fake_source_begin(s);
	fake_source_reach(s, STEP_READY);
	assert_int_equal(ramjet_cancel(s->move.incoming), -EBUSY);
	assert_true(wire_peer_send_commit(s->peer.control, TOKEN));
	assert_true(wire_peer_await(s->peer.control, RJ_FRAME_RUNNING, &frame));
	fake_source_await_target(s);
	assert_int_equal(s->move.target_rc, 0);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 1);
	fake_source_done(s);

	fake_source_begin(s);
	fake_source_reach(s, STEP_READY);
	assert_int_equal(ramjet_cancel(s->move.incoming), -EBUSY);
	assert_true(fake_source_say_type(s, RJ_FRAME_CANCEL));
	expect_unstarted(s);
	move_expect_error(&s->move.target_err, -ECONNABORTED, "cancelled");
	fake_source_done(s);

	fake_source_begin(s);
	fake_source_reach(s, STEP_READY);
	assert_int_equal(ramjet_cancel(s->move.incoming), -EBUSY);
	wire_peer_hang_up(&s->peer);
	expect_unstarted(s);
}

/* As if the process had died: whoever has promised does not say no. */
static void a_handle_freed_when_ready_ends_at_once(void **state)
{
	struct fake_source *s = *state;
	struct ramjet_error said;

	fake_source_begin(s);
	fake_source_reach(s, STEP_READY);
	ramjet_migration_free(s->move.incoming);
	s->move.incoming = NULL;
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
	small_vm_expect_last(&s->move.target, RAMJET_STATE_CANCELLED);
	wire_peer_hear_end(s->peer.control, &said);
	assert_int_equal(said.code, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_SOURCE_TEST(the_whole_course_works),
		FAKE_SOURCE_TEST(bad_frames_on_a_channel_are_refused_and_named),
		FAKE_SOURCE_TEST(
			a_table_with_a_wrong_check_word_is_not_acted_on),
		FAKE_SOURCE_TEST(garbage_on_a_channel_is_named),
		FAKE_SOURCE_TEST(optional_frames_nobody_knows_are_skipped),
		FAKE_SOURCE_TEST(strangers_are_refused_and_do_not_disturb),
		FAKE_SOURCE_TEST(strangers_that_come_first_are_refused),
		FAKE_SOURCE_TEST(the_silent_block_nobody),
		FAKE_SOURCE_TEST(
			a_source_of_another_version_does_not_end_the_wait),
		FAKE_SOURCE_TEST(
			a_stranger_that_says_failed_does_not_end_the_wait),
		FAKE_SOURCE_TEST(a_ping_is_answered_at_every_step),
		FAKE_SOURCE_TEST(
			a_source_that_hangs_up_before_its_channels_is_named),
		FAKE_SOURCE_TEST(frames_after_the_final_fence_are_refused),
		FAKE_SOURCE_TEST(a_source_that_is_gone_at_any_step),
		FAKE_SOURCE_TEST(the_sources_reason_is_passed_on),
		FAKE_SOURCE_TEST(
			a_hanging_source_does_not_keep_a_cancel_waiting),
		FAKE_SOURCE_TEST(a_target_that_is_ready_is_bound),
		FAKE_SOURCE_TEST(a_handle_freed_when_ready_ends_at_once),
	};

	return cmocka_run_group_tests_name("peer source", tests, NULL, NULL);
}
