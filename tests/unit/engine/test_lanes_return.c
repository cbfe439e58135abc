/* SPDX-License-Identifier: BSD-3-Clause */
/* Lanes that return to a target, those that may not, and what ends the session
 * all the same. The source is the test's. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/engine/losing_source.h"

/* ---- lanes that return ----------------------------------------------------- */

static void a_lane_returns_in_a_later_round(void **state)
{
	struct fake_source *s = *state;

	losing_begin(s);
	wire_peer_close(&s->peer.data[1]);
	losing_expect_lost(s, 1, 0, 0, false);
	losing_say_back(s, 1, 0, 1);
	for (uint32_t round = 0; round < 3; round++)
		losing_fence(s, 0, round, false);
	losing_expect_applied(s, 2);
	losing_come_back(s, 1, 1);
	losing_expect_joined(s, 1, 1, 3);
	losing_send_page(s, 1, 3, 1, 0x31);
	losing_fence(s, 1, 3, false);
	losing_await_taken(s, 1, 1, true);
	losing_fence(s, 0, 3, false);
	losing_send_page(s, 1, 4, 1, 0x41);
	losing_fence(s, 1, 4, true);
	losing_fence(s, 0, 4, true);
	fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	losing_switchover(s, 4);
	losing_expect_done(s);
	losing_expect_page(s, 1, 0x41);
}

/* The two come over different connections. */
static void a_lane_that_returns_before_its_back_waits_for_it(void **state)
{
	struct fake_source *s = *state;

	losing_begin(s);
	wire_peer_close(&s->peer.data[1]);
	losing_expect_lost(s, 1, 0, 0, false);
	losing_come_back(s, 1, 1);
	losing_fence(s, 0, 0, false);
	losing_expect_applied(s, 0);
	losing_say_back(s, 1, 0, 1);
	losing_expect_joined(s, 1, 1, 1);
	losing_fence(s, 0, 1, true);
	losing_fence(s, 1, 1, true);
	fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	losing_switchover(s, 1);
	losing_expect_done(s);
}

static void a_lane_is_lost_again_and_again(void **state)
{
	struct ramjet_info *info;
	const struct rj_lost old = { .lane = 1, .epoch = 0 };
	struct fake_source *s = *state;

	losing_begin(s);
	for (uint32_t epoch = 0; epoch < 4; epoch++) {
		for (unsigned i = 0; i < epoch; i++)
			losing_send_page(s, 1, epoch, 10 + i,
					 (uint8_t)(epoch + 1));
		losing_send_part(s->peer.data[1], epoch, 2, 0x12, 100);
		wire_peer_close(&s->peer.data[1]);
		/* Frames are an epoch's. */
		losing_expect_lost(s, 1, epoch, epoch, false);
		losing_say_back(s, 1, epoch, epoch + 1);
		losing_fence(s, 0, epoch, false);
		losing_expect_applied(s, epoch);
		losing_come_back(s, 1, epoch + 1);
		losing_expect_joined(s, 1, epoch + 1, epoch + 1);
		/* News of long ago. */
		losing_say_lost(s, &old);
	}
	losing_send_page(s, 1, 4, 2, 0x22);
	losing_fence(s, 1, 4, true);
	losing_fence(s, 0, 4, true);
	fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	losing_switchover(s, 4);
	losing_expect_done(s);
	losing_expect_page(s, 2, 0x22);
	losing_expect_page(s, 10, 4);
	losing_expect_page(s, 12, 4);
	assert_int_equal(ramjet_info(s->move.incoming, &info), 0);
	assert_int_equal(info->lanes_lost, 4);
	assert_int_equal(info->lanes_rejoined, 4);
	assert_int_equal(RAMJET_AT(info->channels, 0)->epoch, 0);
	assert_int_equal(RAMJET_AT(info->channels, 1)->epoch, 4);
	ramjet_info_free(info);
}

static void all_lanes_are_lost_and_one_returns(void **state)
{
	struct fake_source *s = *state;

	losing_begin(s);
	losing_send_page(s, 0, 0, 1, 0x11);
	losing_fence(s, 0, 0, false);
	losing_await_taken(s, 0, 1, true);
	wire_peer_close(&s->peer.data[1]);
	losing_expect_lost(s, 1, 0, 0, false);
	losing_expect_applied(s, 0);
	wire_peer_close(&s->peer.data[0]);
	losing_expect_lost(s, 0, 0, 1, false);
	losing_say_back(s, 1, 0, 1);
	losing_say_back(s, 0, 0, 1);
	losing_come_back(s, 1, 1);
	losing_expect_joined(s, 1, 1, 1);
	losing_send_page(s, 1, 1, 2, 0x12);
	losing_fence(s, 1, 1, true);
	fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	losing_switchover(s, 1);
	losing_expect_done(s);
	losing_expect_page(s, 1, 0x11);
	losing_expect_page(s, 2, 0x12);
}

static void with_no_lane_left_it_does_not_wait_for_ever(void **state)
{
	struct fake_source *s = *state;

	losing_begin_with(s, 1);
	wire_peer_close(&s->peer.data[0]);
	losing_expect_lost(s, 0, 0, 0, false);
	wire_peer_close(&s->peer.data[1]);
	losing_expect_lost(s, 1, 0, 0, false);
	losing_expect_failed(s, -ETIMEDOUT, "all channels are lost");
}

/* ---- who may not return ----------------------------------------------------- */

static void expect_turned_away(struct fake_source *s, unsigned lane,
			       uint32_t epoch, int code, const char *words)
{
	struct ramjet_error said;
	const int keep = s->peer.data[lane];

	s->peer.data[lane] = -1;
	losing_come_back(s, lane, epoch);
	wire_peer_hear_end(s->peer.data[lane], &said);
	move_expect_error(&said, code, words);
	wire_peer_close(&s->peer.data[lane]);
	s->peer.data[lane] = keep;
}

static void only_the_next_epoch_of_a_lost_lane_may_return(void **state)
{
	struct fake_source *s = *state;

	losing_begin(s);
	/* It has only this one connection. */
	expect_turned_away(s, 1, 1, -EPROTO, "is not lost");
	expect_turned_away(s, 1, 0, -EBUSY, "is being served");
	wire_peer_close(&s->peer.data[1]);
	losing_expect_lost(s, 1, 0, 0, false);
	losing_say_back(s, 1, 0, 1);
	expect_turned_away(s, 1, 2, -EPROTO, "wanted the one after 0");
	expect_turned_away(s, 1, UINT32_MAX, -EPROTO, "wanted the one after 0");
	losing_come_back(s, 1, 1);
	losing_expect_joined(s, 1, 1, 0);
	expect_turned_away(s, 1, 2, -EPROTO, "is not lost");
	expect_turned_away(s, 1, 1, -EPROTO, "is not lost");
	for (uint32_t round = 0; round < 2; round++) {
		losing_fence(s, 0, round, round == 1);
		losing_fence(s, 1, round, round == 1);
	}
	losing_expect_applied(s, 1);
	expect_turned_away(s, 1, 2, -EPROTO, "is not lost");
	fake_source_say_state(s, FAKE_SOURCE_STATE_BYTES);
	losing_switchover(s, 1);
	losing_expect_done(s);
}

/* ---- what ends the session --------------------------------------------------- */

static void what_is_wrong_with_a_frame_still_ends_the_session(void **state)
{
	uint8_t garbage[RJ_HEADER_BYTES];
	struct fake_source *s = *state;

	memset(garbage, 0x5a, sizeof(garbage));
	losing_begin(s);
	assert_true(wire_peer_send_bytes(s->peer.data[1], garbage,
					 sizeof(garbage)));
	losing_expect_failed(s, -EPROTO, "channel 1, offset 72");
}

static void the_same_on_a_lane_that_has_returned(void **state)
{
	struct fake_source *s = *state;

	losing_begin(s);
	wire_peer_close(&s->peer.data[1]);
	losing_expect_lost(s, 1, 0, 0, false);
	losing_say_back(s, 1, 0, 1);
	losing_come_back(s, 1, 1);
	losing_expect_joined(s, 1, 1, 0);
	losing_send_page(s, 1, 1, 1, 0x11);
	losing_expect_failed(s, -EPROTO,
			     "PAGES frame of round 1, wanted round 0");
}

static void back_without_a_loss_is_refused(void **state)
{
	struct fake_source *s = *state;

	losing_begin(s);
	losing_say_back(s, 1, 0, 1);
	losing_expect_failed(s, -EPROTO,
			     "of which no LOST waits for an answer");
}

static void back_of_another_epoch_is_refused(void **state)
{
	struct fake_source *s = *state;

	losing_begin(s);
	wire_peer_close(&s->peer.data[1]);
	losing_expect_lost(s, 1, 0, 0, false);
	losing_say_back(s, 1, 1, 1);
	losing_expect_failed(s, -EPROTO,
			     "of which no LOST waits for an answer");
}

static void back_twice_is_refused(void **state)
{
	struct fake_source *s = *state;

	losing_begin(s);
	wire_peer_close(&s->peer.data[1]);
	losing_expect_lost(s, 1, 0, 0, false);
	losing_say_back(s, 1, 0, 1);
	losing_say_back(s, 1, 0, 1);
	losing_expect_failed(s, -EPROTO,
			     "of which no LOST waits for an answer");
}

static void a_loss_of_an_epoch_to_come_is_refused(void **state)
{
	const struct rj_lost lost = { .lane = 1, .epoch = 1 };
	struct fake_source *s = *state;

	losing_begin(s);
	losing_say_lost(s, &lost);
	losing_expect_failed(s, -EPROTO, "channel 1 in epoch 1, it is in 0");
}

static void a_loss_of_no_lane_is_refused(void **state)
{
	const struct rj_lost lost = { .lane = WIRE_PEER_CHANNELS };
	struct fake_source *s = *state;

	losing_begin(s);
	losing_say_lost(s, &lost);
	losing_expect_failed(s, -EPROTO, "LOST: lane 2, the session has 2");
}

static void the_source_counts_no_frames(void **state)
{
	const struct rj_lost lost = { .lane = 1, .frames = 1 };
	struct fake_source *s = *state;

	losing_begin(s);
	losing_say_lost(s, &lost);
	losing_expect_failed(s, -EPROTO, "which only the target knows");
}

static void where_it_is_not_agreed_upon_all_is_as_before(void **state)
{
	const struct rj_lost lost = { .lane = 1 };
	struct fake_source *s = *state;

	fake_source_begin(s);
	fake_source_connect(s, WIRE_PEER_CHANNELS);
	losing_say_lost(s, &lost);
	losing_expect_failed(s, -EPROTO,
			     "a LOST frame from the source has no place");
	fake_source_done(s);
	fake_source_begin(s);
	fake_source_connect(s, WIRE_PEER_CHANNELS);
	wire_peer_close(&s->peer.data[1]);
	losing_expect_failed(s, -ENODATA, "the source closed the connection");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_SOURCE_TEST(a_lane_returns_in_a_later_round),
		FAKE_SOURCE_TEST(
			a_lane_that_returns_before_its_back_waits_for_it),
		FAKE_SOURCE_TEST(a_lane_is_lost_again_and_again),
		FAKE_SOURCE_TEST(all_lanes_are_lost_and_one_returns),
		FAKE_SOURCE_TEST(with_no_lane_left_it_does_not_wait_for_ever),
		FAKE_SOURCE_TEST(only_the_next_epoch_of_a_lost_lane_may_return),
		FAKE_SOURCE_TEST(
			what_is_wrong_with_a_frame_still_ends_the_session),
		FAKE_SOURCE_TEST(the_same_on_a_lane_that_has_returned),
		FAKE_SOURCE_TEST(back_without_a_loss_is_refused),
		FAKE_SOURCE_TEST(back_of_another_epoch_is_refused),
		FAKE_SOURCE_TEST(back_twice_is_refused),
		FAKE_SOURCE_TEST(a_loss_of_an_epoch_to_come_is_refused),
		FAKE_SOURCE_TEST(a_loss_of_no_lane_is_refused),
		FAKE_SOURCE_TEST(the_source_counts_no_frames),
		FAKE_SOURCE_TEST(where_it_is_not_agreed_upon_all_is_as_before),
	};

	return cmocka_run_group_tests_name("lanes_return", tests, NULL, NULL);
}
