/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A target that says the wrong thing at any step. The source's guest must run
 * afterwards, unless COMMIT was sent.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/wire/bytes.h"
#include "tests/unit/engine/fake_target.h"

/* ---- nonsense ----------------------------------------------------------------------- */

static void garbage_at_any_step(void **state)
{
	struct fake_target *s = *state;
	uint8_t garbage[RJ_HEADER_BYTES];

	memset(garbage, 0x5a, sizeof(garbage));
	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		fake_target_begin(s);
		fake_target_reach(s, step);
		assert_true(wire_peer_send_bytes(s->peer.control, garbage,
						 sizeof(garbage)));
		fake_target_expect_end(s, step);
		move_expect_error(&s->move.source_err, -EPROTO, "0x5a5a5a5a");
		move_expect_error(&s->move.source_err, -EPROTO, "offset");
		fake_target_done(s);
	}
}

static void a_wrong_check_word_at_any_step(void **state)
{
	const struct rj_frame frame = { .type = RJ_FRAME_APPLIED };
	struct fake_target *s = *state;
	uint8_t header[RJ_HEADER_BYTES];

	rj_frame_encode(&frame, NULL, NULL, header);
	header[28] ^= 1;
	for (unsigned step = STEP_HELLO; step < STEP_COUNT_; step++) {
		fake_target_begin(s);
		fake_target_reach(s, step);
		assert_true(wire_peer_send_bytes(s->peer.control, header,
						 sizeof(header)));
		fake_target_expect_end(s, step);
		move_expect_error(&s->move.source_err, -EBADMSG, "offset");
		fake_target_done(s);
	}
}

/* The source is told, too, in words. */
static void run_out_of_turn(struct fake_target *s, enum step step,
			    const struct rj_frame *frame)
{
	static const uint8_t body[64] = { 1 };
	const char *name = rj_frame_type_name(frame->type);
	struct ramjet_error theirs;

	fake_target_begin(s);
	fake_target_reach(s, step);
	assert_true(wire_peer_send(s->peer.control, frame, NULL, body));
	fake_target_expect_end(s, step);
	if (s->move.source_err.code != -EPROTO ||
	    !strstr(s->move.source_err.message, name))
		fail_msg("step %u, %s: %s", step, name,
			 s->move.source_err.message);
	if (step < STEP_READY) {
		wire_peer_hear_end(s->peer.control, &theirs);
		assert_int_equal(theirs.code, -EPROTO);
		assert_string_equal(theirs.message, s->move.source_err.message);
	}
	fake_target_done(s);
}

static void frames_out_of_turn_are_refused(void **state)
{
	static const struct {
		enum step from, to; /* steps at which it is wrong */
		struct rj_frame frame;
	} cases[] = {
		{ STEP_ACTIVE,
		  STEP_READY,
		  { .type = RJ_FRAME_ACCEPT,
		    .payload_bytes = RJ_ACCEPT_BYTES } },
		{ STEP_HELLO,
		  STEP_HELLO,
		  { .type = RJ_FRAME_PING, .payload_bytes = RJ_PING_BYTES } },
		{ STEP_HELLO,
		  STEP_HELLO,
		  { .type = RJ_FRAME_PONG, .payload_bytes = RJ_PING_BYTES } },
		{ STEP_HELLO,
		  STEP_ACTIVE,
		  { .type = RJ_FRAME_READY, .payload_bytes = RJ_READY_BYTES } },
		{ STEP_READY,
		  STEP_READY,
		  { .type = RJ_FRAME_READY, .payload_bytes = RJ_READY_BYTES } },
		{ STEP_HELLO,
		  STEP_APPLIED,
		  { .type = RJ_FRAME_RUNNING,
		    .payload_bytes = RJ_RUNNING_BYTES } },
		{ STEP_HELLO,
		  STEP_READY,
		  { .type = RJ_FRAME_COMMIT,
		    .payload_bytes = RJ_COMMIT_BYTES } },
		{ STEP_HELLO, STEP_READY, { .type = RJ_FRAME_SWITCHOVER } },
		{ STEP_HELLO,
		  STEP_READY,
		  { .type = RJ_FRAME_STATE,
		    .aux = RJ_STATE_DEVICE,
		    .payload_bytes = 1 } },
		{ STEP_HELLO,
		  STEP_READY,
		  { .type = RJ_FRAME_HELLO, .payload_bytes = 40 } },
		{ STEP_HELLO, STEP_READY, { .type = RJ_FRAME_FENCE } },
	};
	struct fake_target *s = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned step = cases[i].from; step <= cases[i].to; step++)
			run_out_of_turn(s, step, &cases[i].frame);
}

static void rounds_are_applied_in_order_and_once(void **state)
{
	struct fake_target *s = *state;
	struct wire_peer *peer = &s->peer;

	for (unsigned i = 0; i < 2; i++) {
		fake_target_begin(s);
		fake_target_reach(s, STEP_ACTIVE);
		(void)pthread_mutex_lock(&peer->lock);
		assert_true(peer->applied > 0);
		(void)wire_peer_send_round(
			peer->control, RJ_FRAME_APPLIED,
			i ? peer->applied + 1 : peer->applied - 1, 0);
		(void)pthread_mutex_unlock(&peer->lock);
		fake_target_expect_end(s, STEP_ACTIVE);
		move_expect_error(&s->move.source_err, -EPROTO,
				  "reported as applied");
		fake_target_done(s);
	}
}

/* The target reads nothing: no fence can have arrived. */
static void a_round_whose_fence_was_not_sent_is_not_applied(void **state)
{
	const struct small_vm_options is = {
		.bytes = { 32u << 20 },
		.dirty = VM_DIRTY_NONE,
	};
	struct fake_target *s = *state;

	move_init(&s->move, &is);
	wire_peer_init(&s->peer);
	s->move.source_params.channels = WIRE_PEER_CHANNELS;
	wire_peer_listen(&s->peer, s->move.folder);
	fake_target_reach(s, STEP_HELLO);
	assert_true(wire_peer_send_accept(s->peer.control, WIRE_PEER_CHANNELS));
	fake_target_take_channels(&s->peer);
	small_vm_await_state(&s->move.source, RAMJET_STATE_ACTIVE);
	assert_true(
		wire_peer_send_round(s->peer.control, RJ_FRAME_APPLIED, 0, 0));
	fake_target_expect_source_runs(s);
	move_expect_error(&s->move.source_err, -EPROTO,
			  "round 0 reported as applied before its fences");
}

/* Other software greets, and then waits for us. */
static void a_server_of_another_kind_is_told_by_its_greeting(void **state)
{
	static const char *const greetings[] = { "SSH-2.0-OpenSSH_9.2\r\n",
						 "220 mail\r\n" };
	struct fake_target *s = *state;

	for (unsigned i = 0; i < 2; i++) {
		const size_t bytes = strlen(greetings[i]);
		char part[64];

		fake_target_begin(s);
		s->move.source_params.reply_timeout_ms = 0;
		s->move.source_params.connect_timeout_ms = 0;
		fake_target_reach(s, STEP_CONNECTED);
		assert_true(wire_peer_send_bytes(s->peer.control, greetings[i],
						 bytes));
		fake_target_expect_end(s, STEP_CONNECTED);
		(void)snprintf(part, sizeof(part),
			       "this is not a ramjet stream: it begins with "
			       "\"%.*s\"",
			       (int)bytes - 2, greetings[i]);
		move_expect_error(&s->move.source_err, -EPROTO, part);
		fake_target_done(s);
	}
}

static void ready_must_come_with_all_blocks_verified(void **state)
{
	struct fake_target *s = *state;

	for (uint32_t count = 0; count <= 2; count += 2) {
		fake_target_begin(s);
		fake_target_reach(s, STEP_APPLIED);
		assert_true(wire_peer_send_ready(s->peer.control, count));
		fake_target_expect_end(s, STEP_APPLIED);
		move_expect_error(&s->move.source_err, -EPROTO, "verify");
		fake_target_done(s);
	}
}

static void optional_frames_nobody_knows_are_skipped(void **state)
{
	const struct rj_frame frame = {
		.type = 0x7e,
		.flags = RJ_FLAG_OPTIONAL,
		.payload_bytes = 40,
	};
	static const uint8_t body[40] = { 7 };
	struct fake_target *s = *state;

	fake_target_begin(s);
	fake_target_reach(s, STEP_ACTIVE);
	assert_true(wire_peer_send(s->peer.control, &frame, NULL, body));
	assert_true(wire_peer_send_failed(s->peer.control, -ENOSPC, "after"));
	fake_target_expect_end(s, STEP_ACTIVE);
	move_expect_error(&s->move.source_err, -ENOSPC, "after");
}

static void a_target_must_answer_the_same_session(void **state)
{
	struct rj_hello hello;
	struct fake_target *s = *state;

	for (unsigned i = 0; i < 3; i++) {
		fake_target_begin(s);
		fake_target_reach(s, STEP_CONNECTED);
		hello = s->peer.hello;
		if (i == 0)
			hello.session[5] ^= 1;
		if (i == 1)
			hello.version_min = hello.version_max = 1;
		if (i == 2)
			hello.role = RJ_ROLE_DATA;
		assert_true(wire_peer_send_hello(s->peer.control, &hello));
		fake_target_expect_end(s, STEP_CONNECTED);
		assert_int_equal(s->move.source_rc,
				 i == 1 ? -EPROTONOSUPPORT : -EPROTO);
		fake_target_done(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(garbage_at_any_step),
		PEER_TEST(a_wrong_check_word_at_any_step),
		PEER_TEST(frames_out_of_turn_are_refused),
		PEER_TEST(rounds_are_applied_in_order_and_once),
		PEER_TEST(a_round_whose_fence_was_not_sent_is_not_applied),
		PEER_TEST(a_server_of_another_kind_is_told_by_its_greeting),
		PEER_TEST(ready_must_come_with_all_blocks_verified),
		PEER_TEST(optional_frames_nobody_knows_are_skipped),
		PEER_TEST(a_target_must_answer_the_same_session),
	};

	return cmocka_run_group_tests_name("peer target, talk", tests, NULL,
					   NULL);
}
