/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections are lost at any moment, while the guest is written to: its memory
 * arrives whole, or the guest runs on here.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "engine/wire/resume.h"
#include "tests/unit/engine/lossy_target.h"
#include "tests/unit/engine/wire_peer.h"

uint32_t __wrap_rj_keeps_built(void);
uint32_t __wrap_rj_keeps_built(void)
{
	return RJ_KEEPS_LANES;
}

#define TEST(name)                                                \
	cmocka_unit_test_setup_teardown(name, lossy_target_setup, \
					lossy_target_teardown)
#define LONG_MS 60000u

static bool is_committed(struct lossy_target *t)
{
	return t->committed;
}

static bool is_held(struct lossy_target *t)
{
	return ramjet_migration_state(t->move.outgoing) == RAMJET_STATE_HELD;
}

static void switch_over(struct lossy_target *t)
{
	assert_int_equal(ramjet_switchover(t->move.outgoing), 0);
	lossy_target_run(t, is_committed);
}

/* It arrives, whatever was lost. */
static void expect_survival(struct lossy_target *t, unsigned lost)
{
	lossy_target_expect_whole(t);
	assert_int_equal(t->move.info->lanes_lost, lost);
	assert_in_range(t->move.info->lanes_rejoined, 0, t->joins);
	assert_int_equal(t->backs, lost);
}

/* Its guest runs on. */
static void expect_failure(struct lossy_target *t, int code, const char *part)
{
	struct small_vm *vm = &t->move.source;

	lossy_target_await(t);
	/* How it broke is the kernel's to say. */
	if (code != -EPROTO)
		code = t->move.source_err.code;
	move_expect_error(&t->move.source_err, code, part);
	assert_true(atomic_load(&vm->running));
	assert_int_equal(small_vm_calls(vm, VM_STOP),
			 small_vm_calls(vm, VM_START));
	assert_false(t->committed);
}

/* ---- when ------------------------------------------------------------------- */

static void lose_second_frame(struct lossy_target *t, unsigned lane,
			      const struct rj_frame *frame)
{
	if (lane == 1 && !t->lanes[1].epoch && frame->type == RJ_FRAME_PAGES &&
	    t->lanes[1].frames == 1)
		lossy_target_lose(t, 1);
}

static void in_the_first_round(void **state)
{
	struct lossy_target *t = *state;

	t->on_frame = lose_second_frame;
	lossy_target_begin(t, LONG_MS);
	lossy_target_run(t, is_held);
	switch_over(t);
	/* Whether it had pages, and how often, is up to the threads. */
	expect_survival(t, t->backs);
}

static bool has_lost_and_found(struct lossy_target *t)
{
	return t->backs && t->joins == t->backs && is_held(t);
}

/* The guest is written to, and rounds follow one another. */
static void lose_one_when_held(struct lossy_target *t)
{
	lossy_target_begin(t, LONG_MS);
	lossy_target_run(t, is_held);
	lossy_target_lose(t, 0);
	lossy_target_run(t, has_lost_and_found);
	switch_over(t);
	expect_survival(t, 1);
	assert_int_equal(t->move.info->lanes_rejoined, 1);
	assert_int_equal(t->move.info->channels[0].epoch, 1);
	assert_string_equal(t->move.info->channels[0].state, "closed");
}

static void in_a_round_in_the_middle(void **state)
{
	lose_one_when_held(*state);
}

static void with_frames_acknowledged(void **state)
{
	struct lossy_target *t = *state;

	t->tells = true;
	lose_one_when_held(t);
}

/* Nobody says so: the source finds it out, and asks. */
static void cut_one(struct lossy_target *t, unsigned lane,
		    const struct rj_frame *frame)
{
	if (lane != 2 || t->phase || frame->type != RJ_FRAME_PAGES)
		return;
	t->phase = 1;
	lossy_target_cut(t, 2);
}

static void found_by_the_source(void **state)
{
	struct lossy_target *t = *state;

	t->on_frame = cut_one;
	lossy_target_begin(t, LONG_MS);
	lossy_target_run(t, is_held);
	switch_over(t);
	/* Whether it had pages, and how often, is up to the threads. */
	expect_survival(t, t->backs);
	assert_int_equal(t->losts, t->backs);
}

/* Both at once. */
static void cut_and_tell(struct lossy_target *t, unsigned lane,
			 const struct rj_frame *frame)
{
	cut_one(t, lane, frame);
	/* Meanwhile the source may have noticed. */
	if (t->phase == 1 && lane == 1) {
		t->phase = 2;
		lossy_target_lose(t, 2);
	}
}

static void both_say_so(void **state)
{
	struct lossy_target *t = *state;

	t->on_frame = cut_and_tell;
	lossy_target_begin(t, LONG_MS);
	lossy_target_run(t, is_held);
	switch_over(t);
	/* Whether it had pages, and how often, is up to the threads. */
	expect_survival(t, t->backs);
}

/* The guest stands still, and device state goes. */
static void lose_in_the_pause(struct lossy_target *t, unsigned lane,
			      const struct rj_frame *frame)
{
	if (lane != LOSSY_LANES || frame->type != RJ_FRAME_STATE || t->phase)
		return;
	t->phase = 1;
	lossy_target_lose(t, 1);
}

static void in_the_pause(void **state)
{
	struct lossy_target *t = *state;

	t->on_frame = lose_in_the_pause;
	lossy_target_begin(t, LONG_MS);
	lossy_target_run(t, is_held);
	switch_over(t);
	expect_survival(t, 1);
	assert_int_equal(t->phase, 1);
}

/* One lane's last fence is there. */
static void lose_in_the_last_round(struct lossy_target *t, unsigned lane,
				   const struct rj_frame *frame)
{
	if (t->phase || frame->type != RJ_FRAME_FENCE ||
	    !(frame->flags & RJ_FLAG_FINAL))
		return;
	t->phase = 1;
	lossy_target_lose(t, (lane + 1) % LOSSY_LANES);
}

static void in_the_last_round(void **state)
{
	struct lossy_target *t = *state;

	t->on_frame = lose_in_the_last_round;
	lossy_target_begin(t, LONG_MS);
	lossy_target_run(t, is_held);
	switch_over(t);
	expect_survival(t, 1);
	assert_int_equal(t->phase, 1);
}

static void lose_what_is_held(struct lossy_target *t)
{
	t->phase = 2;
	for (unsigned i = 0; i < LOSSY_LANES; i++)
		if (t->lanes[i].held) {
			t->lanes[i].held = false;
			lossy_target_lose(t, i);
		}
}

/* SWITCHOVER names the last round, and that comes to nothing: one lane's last
 * fence is there, and the others are lost. */
static void hold_until_announced(struct lossy_target *t, unsigned lane,
				 const struct rj_frame *frame)
{
	if (lane < LOSSY_LANES && frame->type == RJ_FRAME_FENCE &&
	    frame->flags & RJ_FLAG_FINAL && !t->phase) {
		t->phase = 1;
		for (unsigned i = 0; i < LOSSY_LANES; i++)
			t->lanes[i].held = i != lane;
	}
	if (t->announced && t->phase == 1)
		lose_what_is_held(t);
}

static void after_switchover_two_at_once(void **state)
{
	struct lossy_target *t = *state;

	t->on_frame = hold_until_announced;
	lossy_target_begin(t, LONG_MS);
	lossy_target_run(t, is_held);
	switch_over(t);
	expect_survival(t, 2);
	assert_int_equal(t->phase, 2);
	/* Once more, if the source hears of one before it hears of the other. */
	assert_in_range(t->switchovers, 2, 3);
}

/* ---- all of them ------------------------------------------------------------- */

static void lose_all(struct lossy_target *t, unsigned lane,
		     const struct rj_frame *frame)
{
	if (t->phase || lane == LOSSY_LANES || frame->type != RJ_FRAME_PAGES)
		return;
	t->phase = 1;
	for (unsigned i = 0; i < LOSSY_LANES; i++)
		lossy_target_lose(t, i);
}

static void all_and_they_return(void **state)
{
	struct lossy_target *t = *state;

	t->on_frame = lose_all;
	lossy_target_begin(t, LONG_MS);
	lossy_target_run(t, is_held);
	switch_over(t);
	expect_survival(t, 3);
	assert_true(t->joins > 0);
}

static void lose_all_at_last(struct lossy_target *t, unsigned lane,
			     const struct rj_frame *frame)
{
	if (t->phase || lane == LOSSY_LANES || frame->type != RJ_FRAME_FENCE ||
	    !(frame->flags & RJ_FLAG_FINAL))
		return;
	t->phase = 1;
	for (unsigned i = 0; i < LOSSY_LANES; i++)
		lossy_target_lose(t, i);
}

static void all_in_the_last_round(void **state)
{
	struct lossy_target *t = *state;

	t->on_frame = lose_all_at_last;
	lossy_target_begin(t, LONG_MS);
	t->move.source_params.hold = true;
	lossy_target_run(t, is_held);
	switch_over(t);
	expect_survival(t, 3);
	assert_int_equal(t->joins, 1);
}

static void all_and_none_returns(void **state)
{
	struct lossy_target *t = *state;

	t->on_frame = lose_all;
	t->shut = true;
	lossy_target_begin(t, 300);
	lossy_target_run(t, is_committed);
	expect_failure(t, -ECONNRESET,
		       "no channel is left, and none came back "
		       "within 300 ms");
	assert_int_equal(t->move.info->lanes_lost, 3);
}

/* ---- again and again ---------------------------------------------------------- */

static void lose_every_fifth(struct lossy_target *t, unsigned lane,
			     const struct rj_frame *frame)
{
	if (lane == LOSSY_LANES || frame->type != RJ_FRAME_PAGES ||
	    ++t->phase % 5 || t->joins >= 12)
		return;
	if (t->phase % 2)
		lossy_target_lose(t, t->phase % LOSSY_LANES);
	else if (t->lanes[lane].fd >= 0)
		lossy_target_cut(t, lane);
}

static bool has_lost_many(struct lossy_target *t)
{
	return t->joins >= 12 && is_held(t);
}

static void again_and_again(void **state)
{
	struct lossy_target *t = *state;

	t->on_frame = lose_every_fifth;
	t->tells = true;
	lossy_target_begin(t, LONG_MS);
	lossy_target_run(t, has_lost_many);
	switch_over(t);
	lossy_target_expect_whole(t);
	assert_true(t->move.info->lanes_lost >= 12);
}

/* ---- what a target may not say ------------------------------------------------ */

static void say_lost(struct lossy_target *t, struct rj_lost lost)
{
	const struct rj_frame frame = { .type = RJ_FRAME_LOST,
					.payload_bytes = RJ_LOST_BYTES };
	uint8_t body[RJ_LOST_BYTES];

	rj_lost_encode(&lost, body);
	(void)wire_peer_send(t->control, &frame, NULL, body);
}

static void refuse(struct lossy_target *t, struct rj_lost lost,
		   const char *part)
{
	lossy_target_begin(t, LONG_MS);
	lossy_target_run(t, is_held);
	say_lost(t, lost);
	lossy_target_run(t, is_committed);
	expect_failure(t, -EPROTO, part);
}

static void more_frames_than_were_sent(void **state)
{
	refuse(*state, (struct rj_lost){ .lane = 1, .frames = 1u << 30 },
	       "LOST: channel 1: 1073741824 frames, wanted ");
}

static void a_lane_that_is_not_there_yet(void **state)
{
	refuse(*state, (struct rj_lost){ .lane = 1, .epoch = 1 },
	       "LOST: channel 1 of epoch 1, it has epoch 0");
}

static void that_all_is_over_before_the_end(void **state)
{
	refuse(*state, (struct rj_lost){ .lane = 1, .finished = true },
	       "its last round is not sent");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(in_the_first_round),
		TEST(in_a_round_in_the_middle),
		TEST(with_frames_acknowledged),
		TEST(found_by_the_source),
		TEST(both_say_so),
		TEST(in_the_pause),
		TEST(in_the_last_round),
		TEST(after_switchover_two_at_once),
		TEST(all_and_they_return),
		TEST(all_in_the_last_round),
		TEST(all_and_none_returns),
		TEST(again_and_again),
		TEST(more_frames_than_were_sent),
		TEST(a_lane_that_is_not_there_yet),
		TEST(that_all_is_over_before_the_end),
	};

	return cmocka_run_group_tests_name("lost lanes", tests, NULL, NULL);
}
