/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A real source, and a target played by the test that does everything wrong at
 * every step. The source's guest must run afterwards, unless COMMIT was sent.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/bytes.h"
#include "tests/unit/engine/move.h"
#include "tests/unit/engine/wire_peer.h"

/* How far the target behaves. */
enum step {
	STEP_CONNECTED,  /* HELLO was read, not answered */
	STEP_HELLO,      /* answered; BLOCKS was read */
	STEP_ACTIVE,     /* ACCEPT was sent; channels came; the source holds */
	STEP_SWITCHOVER, /* SWITCHOVER was read */
	STEP_APPLIED,    /* of all rounds */
	STEP_READY,      /* sent; COMMIT was read */
	STEP_COUNT_,
};

struct scene {
	struct move move; /* only its source is used */
	struct wire_peer peer;
	uint8_t token[RJ_COMMIT_BYTES]; /* of COMMIT */
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	wire_peer_init(&s->peer);
	*state = s;
	return 0;
}

static void done(struct scene *s)
{
	wire_peer_done(&s->peer);
	move_done(&s->move);
}

static int teardown(void **state)
{
	done(*state);
	free(*state);
	return 0;
}

static void begin(struct scene *s)
{
	const struct small_vm_options is = {
		.bytes = { 8 * RAMJET_PAGE_BYTES },
		.state_bytes = 100,
		.dirty = VM_DIRTY_SCRIPT,
	};

	move_init(&s->move, &is);
	wire_peer_init(&s->peer);
	s->move.source_params.hold = true;
	s->move.source_params.channels = WIRE_PEER_CHANNELS;
	wire_peer_listen(&s->peer, s->move.folder);
}

static void reach_hello(struct scene *s)
{
	struct rj_frame frame;

	assert_true(wire_peer_send_hello(s->peer.control, &s->peer.hello));
	assert_true(wire_peer_read(s->peer.control, &frame, NULL, 0));
	assert_int_equal(frame.type, RJ_FRAME_BLOCKS);
}

static void take_channels(struct wire_peer *peer)
{
	struct rj_hello hello;
	struct rj_frame frame;
	uint8_t body[RJ_HELLO_BYTES];

	for (unsigned i = 0; i < WIRE_PEER_CHANNELS; i++) {
		const int fd = wire_peer_accept(peer);

		assert_true(wire_peer_read(fd, &frame, body, sizeof(body)));
		assert_int_equal(rj_hello_decode(body, frame.payload_bytes,
						 &hello, NULL),
				 0);
		assert_int_equal(hello.role, RJ_ROLE_DATA);
		assert_int_equal(hello.channel_count, WIRE_PEER_CHANNELS);
		assert_memory_equal(hello.session, peer->hello.session,
				    RJ_SESSION_BYTES);
		peer->data[hello.channel_index] = fd;
	}
}

static void reach_active(struct scene *s)
{
	assert_true(wire_peer_send_accept(s->peer.control, WIRE_PEER_CHANNELS));
	take_channels(&s->peer);
	wire_peer_take_pages(&s->peer);
	small_vm_await_state(&s->move.source, RAMJET_STATE_HELD);
}

static void reach(struct scene *s, enum step step)
{
	struct wire_peer *peer = &s->peer;
	uint8_t body[RJ_HELLO_BYTES];
	struct rj_frame frame;

	move_send(&s->move);
	peer->control = wire_peer_accept(peer);
	assert_true(wire_peer_read(peer->control, &frame, body, sizeof(body)));
	assert_int_equal(
		rj_hello_decode(body, frame.payload_bytes, &peer->hello, NULL),
		0);
	assert_int_equal(peer->hello.role, RJ_ROLE_CONTROL);
	if (step >= STEP_HELLO)
		reach_hello(s);
	if (step >= STEP_ACTIVE)
		reach_active(s);
	if (step >= STEP_SWITCHOVER) {
		assert_int_equal(ramjet_switchover(s->move.outgoing), 0);
		assert_true(wire_peer_await(peer->control, RJ_FRAME_SWITCHOVER,
					    &frame));
	}
	if (step >= STEP_APPLIED)
		wire_peer_report_final(peer);
	if (step >= STEP_READY) {
		assert_true(wire_peer_send_ready(peer->control, 1));
		do
			assert_true(wire_peer_read(peer->control, &frame,
						   s->token, sizeof(s->token)));
		while (frame.type != RJ_FRAME_COMMIT);
	}
}

static void await_source(struct scene *s)
{
	struct move *move = &s->move;

	move->source_rc = ramjet_wait(move->outgoing, 60000, &move->source_err);
	if (!ramjet_state_is_final(ramjet_migration_state(move->outgoing)))
		fail_msg("the source hangs: %s", move->source_err.message);
}

static void expect_source_runs(struct scene *s)
{
	struct small_vm *vm = &s->move.source;

	await_source(s);
	assert_true(s->move.source_rc < 0);
	assert_true(atomic_load(&vm->running));
	assert_int_equal(small_vm_calls(vm, VM_STOP),
			 small_vm_calls(vm, VM_START));
}

static void expect_handed_over(struct scene *s)
{
	struct small_vm *vm = &s->move.source;

	await_source(s);
	assert_true(s->move.source_rc < 0);
	assert_non_null(strstr(s->move.source_err.message, "unconfirmed"));
	assert_false(atomic_load(&vm->running));
	assert_int_equal(small_vm_calls(vm, VM_STOP), 1);
	assert_int_equal(small_vm_calls(vm, VM_START), 0);
	small_vm_expect_states(vm, "setup active held switchover committed "
				   "unconfirmed");
}

static void expect_end(struct scene *s, enum step step)
{
	if (step >= STEP_READY) {
		expect_handed_over(s);
		return;
	}
	expect_source_runs(s);
	small_vm_expect_last(&s->move.source, RAMJET_STATE_FAILED);
}

/* ---- silence ------------------------------------------------------------------ */

static void a_target_that_says_nothing_is_given_up(void **state)
{
	static const char *const parts[] = {
		[STEP_CONNECTED] = "HELLO",       [STEP_HELLO] = "accept",
		[STEP_SWITCHOVER] = "last pages", [STEP_APPLIED] = "READY",
		[STEP_READY] = "RUNNING",
	};
	struct scene *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		/* While it is held, nothing is to be said. */
		if (step == STEP_ACTIVE)
			continue;
		begin(s);
		s->move.source_params.reply_timeout_ms = 100;
		reach(s, step);
		expect_end(s, step);
		move_expect_error(&s->move.source_err, -ETIMEDOUT, parts[step]);
		done(s);
	}
}

static void a_silent_target_keeps_no_guest_standing_still(void **state)
{
	struct scene *s = *state;

	begin(s);
	s->move.source_params.reply_timeout_ms = 0;
	s->move.source_params.switchover_timeout_us = 50000;
	reach(s, STEP_APPLIED);
	expect_end(s, STEP_APPLIED);
	move_expect_error(&s->move.source_err, -ETIMEDOUT,
			  "is 50 (switchover timeout)");
}

static void a_hanging_target_does_not_keep_a_cancel_waiting(void **state)
{
	struct scene *s = *state;

	for (unsigned step = 0; step < STEP_READY; step++) {
		begin(s);
		s->move.source_params.reply_timeout_ms = 0;
		s->move.source_params.connect_timeout_ms = 0;
		reach(s, step);
		assert_int_equal(ramjet_cancel(s->move.outgoing), 0);
		expect_source_runs(s);
		assert_int_equal(s->move.source_rc, -ECANCELED);
		small_vm_expect_last(&s->move.source, RAMJET_STATE_CANCELLED);
		done(s);
	}
}

static void a_commit_sent_cannot_be_cancelled(void **state)
{
	struct scene *s = *state;

	begin(s);
	reach(s, STEP_READY);
	assert_int_equal(ramjet_cancel(s->move.outgoing), -EALREADY);
	assert_true(
		wire_peer_send_running(s->peer.control, rj_get64(s->token)));
	await_source(s);
	assert_int_equal(s->move.source_rc, 0);
	assert_false(atomic_load(&s->move.source.running));
}

/* "Completed" is what the target says once it has read COMMIT. */
static void running_said_without_the_commit_is_not_believed(void **state)
{
	struct scene *s = *state;

	begin(s);
	reach(s, STEP_APPLIED);
	/* One message for the source to read: COMMIT may be out before it
	 * comes to RUNNING, or not. */
	assert_true(wire_peer_send_ready(s->peer.control, 1));
	assert_true(wire_peer_send_running(s->peer.control, 0));
	await_source(s);
	move_expect_error(&s->move.source_err, -EPROTO, "RUNNING");
	done(s);

	begin(s);
	reach(s, STEP_READY);
	assert_true(
		wire_peer_send_running(s->peer.control, ~rj_get64(s->token)));
	expect_handed_over(s);
	move_expect_error(&s->move.source_err, -EPROTO,
			  "the target has not read it");
}

/* Whoever gives the handle up need not wait for ever for the answer. */
static void a_handle_freed_after_the_commit_is_unconfirmed(void **state)
{
	struct scene *s = *state;

	begin(s);
	reach(s, STEP_READY);
	ramjet_migration_free(s->move.outgoing);
	s->move.outgoing = NULL;
	assert_false(atomic_load(&s->move.source.running));
	small_vm_expect_last(&s->move.source, RAMJET_STATE_UNCONFIRMED);
}

static void a_target_that_takes_no_pages_is_found_to_stall(void **state)
{
	struct small_vm_options is = move_machine;
	struct scene *s = *state;

	is.dirty = VM_DIRTY_NONE;
	move_init(&s->move, &is);
	wire_peer_init(&s->peer);
	s->move.source_params.channels = WIRE_PEER_CHANNELS;
	s->move.source_params.stall_timeout_ms = 200;
	wire_peer_listen(&s->peer, s->move.folder);
	reach(s, STEP_HELLO);
	assert_true(wire_peer_send_accept(s->peer.control, WIRE_PEER_CHANNELS));
	expect_source_runs(s);
	move_expect_error(&s->move.source_err, -ETIMEDOUT, "stalled");
}

/* ---- the end of a connection ------------------------------------------------------ */

static void a_control_link_closed_at_any_step(void **state)
{
	struct scene *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		begin(s);
		reach(s, step);
		wire_peer_close(&s->peer.control);
		expect_end(s, step);
		done(s);
	}
}

static void everything_closed_at_any_step(void **state)
{
	struct scene *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		begin(s);
		reach(s, step);
		wire_peer_done(&s->peer);
		expect_end(s, step);
		done(s);
	}
}

static void a_frame_that_ends_in_the_middle(void **state)
{
	static const uint8_t half[RJ_HEADER_BYTES / 2] = "RMJ1\x30";
	struct scene *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		begin(s);
		reach(s, step);
		assert_true(wire_peer_send_bytes(s->peer.control, half,
						 sizeof(half)));
		wire_peer_close(&s->peer.control);
		expect_end(s, step);
		done(s);
	}
}

/* ---- reasons ---------------------------------------------------------------------- */

static void the_targets_reason_is_passed_on_at_any_step(void **state)
{
	struct scene *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		begin(s);
		reach(s, step);
		assert_true(wire_peer_send_failed(s->peer.control, -ENOSPC,
						  "the disk is full"));
		wire_peer_done(&s->peer);
		expect_end(s, step);
		move_expect_error(&s->move.source_err, -ENOSPC,
				  "the disk is full");
		done(s);
	}
}

/* Only a data channel dies at first: the reason comes after it. */
static void the_reason_comes_a_moment_after_the_break(void **state)
{
	struct scene *s = *state;

	begin(s);
	reach(s, STEP_SWITCHOVER);
	wire_peer_cut_data(&s->peer);
	assert_true(wire_peer_send_failed(s->peer.control, -ENOSPC,
					  "the disk is full"));
	expect_end(s, STEP_SWITCHOVER);
	move_expect_error(&s->move.source_err, -ENOSPC, "the disk is full");
}

static void what_a_target_says_cannot_control_a_terminal(void **state)
{
	struct scene *s = *state;

	begin(s);
	reach(s, STEP_ACTIVE);
	assert_true(
		wire_peer_send_failed(s->peer.control, -EIO, "a\x1b[2J\nb"));
	expect_end(s, STEP_ACTIVE);
	assert_null(strchr(s->move.source_err.message, 0x1b));
	assert_null(strchr(s->move.source_err.message, '\n'));
}

static void a_target_that_cancels_is_named(void **state)
{
	struct scene *s = *state;

	for (unsigned step = STEP_HELLO; step < STEP_COUNT_; step++) {
		begin(s);
		reach(s, step);
		assert_true(
			wire_peer_send_type(s->peer.control, RJ_FRAME_CANCEL));
		expect_end(s, step);
		move_expect_error(&s->move.source_err, -ECONNABORTED,
				  "the target cancelled");
		done(s);
	}
}

/* ---- nonsense ----------------------------------------------------------------------- */

static void garbage_at_any_step(void **state)
{
	struct scene *s = *state;
	uint8_t garbage[RJ_HEADER_BYTES];

	memset(garbage, 0x5a, sizeof(garbage));
	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		begin(s);
		reach(s, step);
		assert_true(wire_peer_send_bytes(s->peer.control, garbage,
						 sizeof(garbage)));
		expect_end(s, step);
		move_expect_error(&s->move.source_err, -EPROTO, "0x5a5a5a5a");
		move_expect_error(&s->move.source_err, -EPROTO, "offset");
		done(s);
	}
}

static void a_wrong_check_word_at_any_step(void **state)
{
	const struct rj_frame frame = { .type = RJ_FRAME_APPLIED };
	struct scene *s = *state;
	uint8_t header[RJ_HEADER_BYTES];

	rj_frame_encode(&frame, NULL, NULL, header);
	header[28] ^= 1;
	for (unsigned step = STEP_HELLO; step < STEP_COUNT_; step++) {
		begin(s);
		reach(s, step);
		assert_true(wire_peer_send_bytes(s->peer.control, header,
						 sizeof(header)));
		expect_end(s, step);
		move_expect_error(&s->move.source_err, -EBADMSG, "offset");
		done(s);
	}
}

/* The source is told, too, in words. */
static void run_out_of_turn(struct scene *s, enum step step,
			    const struct rj_frame *frame)
{
	static const uint8_t body[64] = { 1 };
	const char *name = rj_frame_type_name(frame->type);
	struct ramjet_error theirs;

	begin(s);
	reach(s, step);
	assert_true(wire_peer_send(s->peer.control, frame, NULL, body));
	expect_end(s, step);
	if (s->move.source_err.code != -EPROTO ||
	    !strstr(s->move.source_err.message, name))
		fail_msg("step %u, %s: %s", step, name,
			 s->move.source_err.message);
	if (step < STEP_READY) {
		wire_peer_hear_end(s->peer.control, &theirs);
		assert_int_equal(theirs.code, -EPROTO);
		assert_string_equal(theirs.message, s->move.source_err.message);
	}
	done(s);
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
	struct scene *s = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned step = cases[i].from; step <= cases[i].to; step++)
			run_out_of_turn(s, step, &cases[i].frame);
}

static void rounds_are_applied_in_order_and_once(void **state)
{
	struct scene *s = *state;
	struct wire_peer *peer = &s->peer;

	for (unsigned i = 0; i < 2; i++) {
		begin(s);
		reach(s, STEP_ACTIVE);
		(void)pthread_mutex_lock(&peer->lock);
		assert_true(peer->applied > 0);
		(void)wire_peer_send_round(
			peer->control, RJ_FRAME_APPLIED,
			i ? peer->applied + 1 : peer->applied - 1, 0);
		(void)pthread_mutex_unlock(&peer->lock);
		expect_end(s, STEP_ACTIVE);
		move_expect_error(&s->move.source_err, -EPROTO,
				  "reported as applied");
		done(s);
	}
}

/* The target reads nothing: no fence can have arrived. */
static void a_round_whose_fence_was_not_sent_is_not_applied(void **state)
{
	const struct small_vm_options is = {
		.bytes = { 32u << 20 },
		.dirty = VM_DIRTY_NONE,
	};
	struct scene *s = *state;

	move_init(&s->move, &is);
	wire_peer_init(&s->peer);
	s->move.source_params.channels = WIRE_PEER_CHANNELS;
	wire_peer_listen(&s->peer, s->move.folder);
	reach(s, STEP_HELLO);
	assert_true(wire_peer_send_accept(s->peer.control, WIRE_PEER_CHANNELS));
	take_channels(&s->peer);
	small_vm_await_state(&s->move.source, RAMJET_STATE_ACTIVE);
	assert_true(
		wire_peer_send_round(s->peer.control, RJ_FRAME_APPLIED, 0, 0));
	expect_source_runs(s);
	move_expect_error(&s->move.source_err, -EPROTO,
			  "round 0 reported as applied before its fences");
}

/* Other software greets, and then waits for us. */
static void a_server_of_another_kind_is_told_by_its_greeting(void **state)
{
	static const char *const greetings[] = { "SSH-2.0-OpenSSH_9.2\r\n",
						 "220 mail\r\n" };
	struct scene *s = *state;

	for (unsigned i = 0; i < 2; i++) {
		const size_t bytes = strlen(greetings[i]);
		char part[64];

		begin(s);
		s->move.source_params.reply_timeout_ms = 0;
		s->move.source_params.connect_timeout_ms = 0;
		reach(s, STEP_CONNECTED);
		assert_true(wire_peer_send_bytes(s->peer.control, greetings[i],
						 bytes));
		expect_end(s, STEP_CONNECTED);
		(void)snprintf(part, sizeof(part),
			       "this is not a ramjet stream: it begins with "
			       "\"%.*s\"",
			       (int)bytes - 2, greetings[i]);
		move_expect_error(&s->move.source_err, -EPROTO, part);
		done(s);
	}
}

static void ready_must_come_with_all_blocks_verified(void **state)
{
	struct scene *s = *state;

	for (uint32_t count = 0; count <= 2; count += 2) {
		begin(s);
		reach(s, STEP_APPLIED);
		assert_true(wire_peer_send_ready(s->peer.control, count));
		expect_end(s, STEP_APPLIED);
		move_expect_error(&s->move.source_err, -EPROTO, "verify");
		done(s);
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
	struct scene *s = *state;

	begin(s);
	reach(s, STEP_ACTIVE);
	assert_true(wire_peer_send(s->peer.control, &frame, NULL, body));
	assert_true(wire_peer_send_failed(s->peer.control, -ENOSPC, "after"));
	expect_end(s, STEP_ACTIVE);
	move_expect_error(&s->move.source_err, -ENOSPC, "after");
}

static void a_target_must_answer_the_same_session(void **state)
{
	struct rj_hello hello;
	struct scene *s = *state;

	for (unsigned i = 0; i < 3; i++) {
		begin(s);
		reach(s, STEP_CONNECTED);
		hello = s->peer.hello;
		if (i == 0)
			hello.session[5] ^= 1;
		if (i == 1)
			hello.version_min = hello.version_max = 1;
		if (i == 2)
			hello.role = RJ_ROLE_DATA;
		assert_true(wire_peer_send_hello(s->peer.control, &hello));
		expect_end(s, STEP_CONNECTED);
		assert_int_equal(s->move.source_rc,
				 i == 1 ? -EPROTONOSUPPORT : -EPROTO);
		done(s);
	}
}

#define PEER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(a_target_that_says_nothing_is_given_up),
		PEER_TEST(a_silent_target_keeps_no_guest_standing_still),
		PEER_TEST(a_hanging_target_does_not_keep_a_cancel_waiting),
		PEER_TEST(a_commit_sent_cannot_be_cancelled),
		PEER_TEST(running_said_without_the_commit_is_not_believed),
		PEER_TEST(a_handle_freed_after_the_commit_is_unconfirmed),
		PEER_TEST(a_target_that_takes_no_pages_is_found_to_stall),
		PEER_TEST(a_control_link_closed_at_any_step),
		PEER_TEST(everything_closed_at_any_step),
		PEER_TEST(a_frame_that_ends_in_the_middle),
		PEER_TEST(the_targets_reason_is_passed_on_at_any_step),
		PEER_TEST(the_reason_comes_a_moment_after_the_break),
		PEER_TEST(what_a_target_says_cannot_control_a_terminal),
		PEER_TEST(a_target_that_cancels_is_named),
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

	return cmocka_run_group_tests_name("peer target", tests, NULL, NULL);
}
