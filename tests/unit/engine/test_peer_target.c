/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A target that falls silent, ends or gives up at any step. The source's guest
 * must run afterwards, unless COMMIT was sent.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/wire/bytes.h"
#include "tests/unit/engine/fake_target.h"

/* ---- silence ------------------------------------------------------------------ */

static void a_target_that_says_nothing_is_given_up(void **state)
{
	static const char *const parts[] = {
		[STEP_CONNECTED] = "HELLO",       [STEP_HELLO] = "accept",
		[STEP_SWITCHOVER] = "last pages", [STEP_APPLIED] = "READY",
		[STEP_READY] = "RUNNING",
	};
	struct fake_target *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		/* While it is held, nothing is to be said. */
		if (step == STEP_ACTIVE)
			continue;
		fake_target_begin(s);
		s->move.source_params.reply_timeout_ms = 100;
		fake_target_reach(s, step);
		fake_target_expect_end(s, step);
		move_expect_error(&s->move.source_err, -ETIMEDOUT, parts[step]);
		fake_target_done(s);
	}
}

static void a_silent_target_keeps_no_guest_standing_still(void **state)
{
	struct fake_target *s = *state;

	fake_target_begin(s);
	s->move.source_params.reply_timeout_ms = 0;
	s->move.source_params.switchover_timeout_us = 50000;
	fake_target_reach(s, STEP_APPLIED);
	fake_target_expect_end(s, STEP_APPLIED);
	move_expect_error(&s->move.source_err, -ETIMEDOUT,
			  "is 50 (switchover timeout)");
}

static void a_hanging_target_does_not_keep_a_cancel_waiting(void **state)
{
	struct fake_target *s = *state;

	for (unsigned step = 0; step < STEP_READY; step++) {
		fake_target_begin(s);
		s->move.source_params.reply_timeout_ms = 0;
		s->move.source_params.connect_timeout_ms = 0;
		fake_target_reach(s, step);
		assert_int_equal(ramjet_cancel(s->move.outgoing), 0);
		fake_target_expect_source_runs(s);
		assert_int_equal(s->move.source_rc, -ECANCELED);
		small_vm_expect_last(&s->move.source, RAMJET_STATE_CANCELLED);
		fake_target_done(s);
	}
}

static void a_commit_sent_cannot_be_cancelled(void **state)
{
	struct fake_target *s = *state;

	fake_target_begin(s);
	fake_target_reach(s, STEP_READY);
	assert_int_equal(ramjet_cancel(s->move.outgoing), -EALREADY);
	assert_true(
		wire_peer_send_running(s->peer.control, rj_get64(s->token)));
	fake_target_await_source(s);
	assert_int_equal(s->move.source_rc, 0);
	assert_false(atomic_load(&s->move.source.running));
}

/* "Completed" is what the target says once it has read COMMIT. */
static void running_said_without_the_commit_is_not_believed(void **state)
{
	struct fake_target *s = *state;

	fake_target_begin(s);
	fake_target_reach(s, STEP_APPLIED);
	/* One message for the source to read: COMMIT may be out before it
	 * comes to RUNNING, or not. */
	assert_true(wire_peer_send_ready(s->peer.control, 1));
	assert_true(wire_peer_send_running(s->peer.control, 0));
	fake_target_await_source(s);
	move_expect_error(&s->move.source_err, -EPROTO, "RUNNING");
	fake_target_done(s);

	fake_target_begin(s);
	fake_target_reach(s, STEP_READY);
	assert_true(
		wire_peer_send_running(s->peer.control, ~rj_get64(s->token)));
	fake_target_expect_handed_over(s);
	move_expect_error(&s->move.source_err, -EPROTO,
			  "the target has not read it");
}

/* Whoever gives the handle up need not wait for ever for the answer. */
static void a_handle_freed_after_the_commit_is_unconfirmed(void **state)
{
	struct fake_target *s = *state;

	fake_target_begin(s);
	fake_target_reach(s, STEP_READY);
	ramjet_migration_free(s->move.outgoing);
	s->move.outgoing = NULL;
	assert_false(atomic_load(&s->move.source.running));
	small_vm_expect_last(&s->move.source, RAMJET_STATE_UNCONFIRMED);
}

static void a_target_that_takes_no_pages_is_found_to_stall(void **state)
{
	struct small_vm_options is = move_machine;
	struct fake_target *s = *state;

	is.dirty = VM_DIRTY_NONE;
	move_init(&s->move, &is);
	wire_peer_init(&s->peer);
	s->move.source_params.channels = WIRE_PEER_CHANNELS;
	s->move.source_params.stall_timeout_ms = 200;
	wire_peer_listen(&s->peer, s->move.folder);
	fake_target_reach(s, STEP_HELLO);
	assert_true(wire_peer_send_accept(s->peer.control, WIRE_PEER_CHANNELS));
	fake_target_expect_source_runs(s);
	move_expect_error(&s->move.source_err, -ETIMEDOUT, "stalled");
}

/* ---- the end of a connection ------------------------------------------------------ */

static void a_control_link_closed_at_any_step(void **state)
{
	struct fake_target *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		fake_target_begin(s);
		fake_target_reach(s, step);
		wire_peer_hang_up(&s->peer);
		fake_target_expect_end(s, step);
		fake_target_done(s);
	}
}

static void everything_closed_at_any_step(void **state)
{
	struct fake_target *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		fake_target_begin(s);
		fake_target_reach(s, step);
		wire_peer_done(&s->peer);
		fake_target_expect_end(s, step);
		fake_target_done(s);
	}
}

static void a_frame_that_ends_in_the_middle(void **state)
{
	static const uint8_t half[RJ_HEADER_BYTES / 2] = "RMJ1\x30";
	struct fake_target *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		fake_target_begin(s);
		fake_target_reach(s, step);
		assert_true(wire_peer_send_bytes(s->peer.control, half,
						 sizeof(half)));
		wire_peer_hang_up(&s->peer);
		fake_target_expect_end(s, step);
		fake_target_done(s);
	}
}

/* ---- reasons ---------------------------------------------------------------------- */

static void the_targets_reason_is_passed_on_at_any_step(void **state)
{
	struct fake_target *s = *state;

	for (unsigned step = 0; step < STEP_COUNT_; step++) {
		fake_target_begin(s);
		fake_target_reach(s, step);
		assert_true(wire_peer_send_failed(s->peer.control, -ENOSPC,
						  "the disk is full"));
		wire_peer_done(&s->peer);
		fake_target_expect_end(s, step);
		move_expect_error(&s->move.source_err, -ENOSPC,
				  "the disk is full");
		fake_target_done(s);
	}
}

/* Only a data channel dies at first: the reason comes after it. */
static void the_reason_comes_a_moment_after_the_break(void **state)
{
	struct fake_target *s = *state;

	fake_target_begin(s);
	fake_target_reach(s, STEP_SWITCHOVER);
	wire_peer_cut_data(&s->peer);
	assert_true(wire_peer_send_failed(s->peer.control, -ENOSPC,
					  "the disk is full"));
	fake_target_expect_end(s, STEP_SWITCHOVER);
	move_expect_error(&s->move.source_err, -ENOSPC, "the disk is full");
}

static void what_a_target_says_cannot_control_a_terminal(void **state)
{
	struct fake_target *s = *state;

	fake_target_begin(s);
	fake_target_reach(s, STEP_ACTIVE);
	assert_true(
		wire_peer_send_failed(s->peer.control, -EIO, "a\x1b[2J\nb"));
	fake_target_expect_end(s, STEP_ACTIVE);
	assert_null(strchr(s->move.source_err.message, 0x1b));
	assert_null(strchr(s->move.source_err.message, '\n'));
}

static void a_target_that_cancels_is_named(void **state)
{
	struct fake_target *s = *state;

	for (unsigned step = STEP_HELLO; step < STEP_COUNT_; step++) {
		fake_target_begin(s);
		fake_target_reach(s, step);
		assert_true(
			wire_peer_send_type(s->peer.control, RJ_FRAME_CANCEL));
		fake_target_expect_end(s, step);
		move_expect_error(&s->move.source_err, -ECONNABORTED,
				  "the target cancelled");
		fake_target_done(s);
	}
}

/* What has come so far; nothing more does while the control thread is in a
 * notifier, but PINGs. */
static void on_committed(void *user, enum ramjet_state old_state,
			 enum ramjet_state state,
			 const struct ramjet_error *err,
			 struct ramjet_migration *migration)
{
	struct fake_target *s = user;
	struct pollfd control = { .events = POLLIN };
	struct rj_frame frame;

	(void)old_state;
	(void)err;
	(void)migration;
	if (state != RAMJET_STATE_COMMITTED)
		return;
	control.fd = s->peer.control;
	while (poll(&control, 1, 0) == 1 &&
	       wire_peer_read(control.fd, &frame, NULL, 0))
		s->commit_was_early |= frame.type == RJ_FRAME_COMMIT;
	(void)sem_post(&s->committed);
}

/* Whoever marks that there is no way back does so in time. */
static void commit_leaves_once_the_notifiers_have_returned(void **state)
{
	struct fake_target *s = *state;
	struct rj_frame frame;

	fake_target_begin(s);
	fake_target_reach(s, STEP_APPLIED);
	assert_int_equal(sem_init(&s->committed, 0, 0), 0);
	assert_true(ramjet_notify(s->move.source.guest, on_committed, s, NULL) >
		    0);
	assert_true(wire_peer_send_ready(s->peer.control, 1));
	while (sem_wait(&s->committed))
		;
	assert_false(s->commit_was_early);
	assert_true(wire_peer_await(s->peer.control, RJ_FRAME_COMMIT, &frame));
	wire_peer_hang_up(&s->peer);
	fake_target_expect_handed_over(s);
}

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
		PEER_TEST(commit_leaves_once_the_notifiers_have_returned),
	};

	return cmocka_run_group_tests_name("peer target", tests, NULL, NULL);
}
