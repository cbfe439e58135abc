/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A target that loses lanes: what it says of them, what is in its memory, and
 * that no final round is one while something is missing. The source is the
 * test's.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/engine/losing_source.h"

/* ---- one lane is lost ---------------------------------------------------- */

static void a_lane_is_cut_in_the_middle_of_a_frame(void **state)
{
	struct fake_source *s = *state;

	losing_begin(s);
	losing_send_page(s, 1, 0, 1, 0x11);
	losing_send_page(s, 1, 0, 2, 0x12);
	losing_send_part(s->peer.data[1], 0, 3, 0x13, 2000);
	wire_peer_close(&s->peer.data[1]);
	losing_expect_lost(s, 1, 0, 2, false);
	/* The half page goes again, by the lane that is left. */
	losing_say_back(s, 1, 0, 1);
	losing_fence(s, 0, 0, false);
	losing_expect_applied(s, 0);
	losing_send_page(s, 0, 1, 3, 0x33);
	fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	losing_fence(s, 0, 1, true);
	losing_switchover(s, 1);
	losing_expect_done(s);
	losing_expect_page(s, 1, 0x11);
	losing_expect_page(s, 2, 0x12);
	losing_expect_page(s, 3, 0x33);
}

/* Its connection is whole for the target, and so is nothing but its word. */
static void hear_of_a_loss(struct fake_source *s)
{
	const struct rj_lost lost = { .lane = 1 };
	uint8_t byte;

	losing_send_page(s, 1, 0, 1, 0x11);
	/* In the middle of a receive, for ever. */
	losing_send_part(s->peer.data[1], 0, 2, 0x12, 2000);
	losing_await_taken(s, 1, 1, false);
	losing_say_lost(s, &lost);
	losing_expect_lost(s, 1, 0, 1, false);
	/* Said once more, it is known. */
	losing_say_lost(s, &lost);
	losing_say_back(s, 1, 0, 1);
	losing_say_lost(s, &lost);
	losing_fence(s, 0, 0, false);
	losing_send_page(s, 0, 1, 2, 0x22);
	losing_fence(s, 0, 1, true);
	fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	losing_switchover(s, 1);
	losing_expect_done(s);
	losing_expect_page(s, 1, 0x11);
	losing_expect_page(s, 2, 0x22);
	/* Closed, so that its source hears of it. */
	assert_true(recv(s->peer.data[1], &byte, 1, 0) <= 0);
}

static void the_source_says_that_a_lane_is_lost(void **state)
{
	losing_begin_on(*state, RAMJET_BACKEND_AUTO);
	hear_of_a_loss(*state);
	fake_source_done(*state);
	losing_begin_on(*state, RAMJET_BACKEND_SYSCALLS);
	hear_of_a_loss(*state);
}

static void the_same_of_a_lane_that_the_vmm_has_given(void **state)
{
	losing_begin_given(*state);
	hear_of_a_loss(*state);
}

static void a_lane_is_lost_while_it_waits_at_a_fence(void **state)
{
	const struct rj_lost lost = { .lane = 1 };
	struct fake_source *s = *state;

	losing_begin(s);
	losing_send_page(s, 1, 0, 1, 0x11);
	losing_fence(s, 1, 0, false);
	losing_await_taken(s, 1, 1, true);
	losing_say_lost(s, &lost);
	losing_expect_lost(s, 1, 0, 1, false);
	losing_send_page(s, 0, 0, 5, 0x05);
	losing_fence(s, 0, 0, false);
	losing_expect_applied(s, 0);
	losing_say_back(s, 1, 0, 1);
	losing_fence(s, 0, 1, true);
	fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	losing_switchover(s, 1);
	losing_expect_done(s);
	losing_expect_page(s, 1, 0x11);
	losing_expect_page(s, 5, 0x05);
}

/* LOST comes before the round that is applied without the lane. */
static void the_others_fences_are_enough(void **state)
{
	struct fake_source *s = *state;
	uint8_t body[RJ_LOST_BYTES];
	struct rj_frame frame;

	losing_begin(s);
	losing_fence(s, 0, 0, false);
	losing_await_taken(s, 0, 0, true);
	wire_peer_close(&s->peer.data[1]);
	do
		assert_true(wire_peer_read(s->peer.control, &frame, body,
					   sizeof(body)));
	while (frame.type == RJ_FRAME_TAKEN);
	assert_int_equal(frame.type, RJ_FRAME_LOST);
	losing_expect_applied(s, 0);
	losing_say_back(s, 1, 0, 1);
	losing_fence(s, 0, 1, true);
	fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	losing_switchover(s, 1);
	losing_expect_done(s);
}

/* ---- the final round ------------------------------------------------------- */

static void a_final_round_is_void_when_a_lane_is_lost_in_it(void **state)
{
	struct fake_source *s = *state;

	losing_begin(s);
	losing_send_page(s, 1, 0, 1, 0x11);
	fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	losing_send_part(s->peer.data[1], 0, 2, 0x12, 100);
	losing_fence(s, 0, 0, true);
	losing_switchover(s, 0);
	wire_peer_close(&s->peer.data[1]);
	/* No READY before, in, or after any of these. */
	losing_expect_lost(s, 1, 0, 1, false);
	losing_say_back(s, 1, 0, 1);
	losing_expect_applied(s, 0);
	losing_send_page(s, 0, 1, 2, 0x22);
	losing_fence(s, 0, 1, true);
	losing_expect_applied(s, 1);
	losing_switchover(s, 1);
	losing_expect_done(s);
	losing_expect_page(s, 1, 0x11);
	losing_expect_page(s, 2, 0x22);
}

static void a_final_round_stands_when_all_have_brought_their_fence(void **state)
{
	const struct rj_lost lost = { .lane = 1 };
	struct fake_source *s = *state;

	losing_begin(s);
	losing_send_page(s, 1, 0, 1, 0x11);
	fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	losing_fence(s, 0, 0, true);
	losing_fence(s, 1, 0, true);
	losing_expect_applied(s, 0);
	wire_peer_close(&s->peer.data[1]);
	losing_say_lost(s, &lost);
	losing_expect_lost(s, 1, 0, 1, true);
	/* Nothing follows: no BACK is waited for. */
	losing_switchover(s, 0);
	losing_expect_done(s);
	losing_expect_page(s, 1, 0x11);
}

/* Behind READY, too. */
static void a_lane_that_is_lost_after_ready_is_none(void **state)
{
	const struct rj_lost lost = { .lane = 0 };
	struct fake_source *s = *state;
	uint8_t body[RJ_READY_BYTES];

	losing_begin(s);
	fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	losing_fence(s, 0, 0, true);
	losing_fence(s, 1, 0, true);
	losing_switchover(s, 0);
	losing_await_body(s, RJ_FRAME_READY, body, sizeof(body));
	wire_peer_close(&s->peer.data[0]);
	losing_say_lost(s, &lost);
	losing_expect_lost(s, 0, 0, 0, true);
	assert_true(wire_peer_send_commit(s->peer.control, LOSING_TOKEN));
	fake_source_await_target(s);
	assert_int_equal(s->move.target_rc, 0);
}

static void the_last_switchover_counts(void **state)
{
	struct fake_source *s = *state;

	losing_begin(s);
	fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	losing_fence(s, 0, 0, true);
	losing_switchover(s, 0);
	wire_peer_close(&s->peer.data[1]);
	losing_expect_lost(s, 1, 0, 0, false);
	losing_say_back(s, 1, 0, 1);
	losing_fence(s, 0, 1, true);
	/* It names the round that is void. */
	losing_switchover(s, 0);
	losing_expect_failed(s, -EPROTO, "names round 0 as the last");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_SOURCE_TEST(a_lane_is_cut_in_the_middle_of_a_frame),
		FAKE_SOURCE_TEST(the_source_says_that_a_lane_is_lost),
		FAKE_SOURCE_TEST(the_same_of_a_lane_that_the_vmm_has_given),
		FAKE_SOURCE_TEST(a_lane_is_lost_while_it_waits_at_a_fence),
		FAKE_SOURCE_TEST(the_others_fences_are_enough),
		FAKE_SOURCE_TEST(
			a_final_round_is_void_when_a_lane_is_lost_in_it),
		FAKE_SOURCE_TEST(
			a_final_round_stands_when_all_have_brought_their_fence),
		FAKE_SOURCE_TEST(a_lane_that_is_lost_after_ready_is_none),
		FAKE_SOURCE_TEST(the_last_switchover_counts),
	};

	return cmocka_run_group_tests_name("lost_lanes_target", tests, NULL,
					   NULL);
}
