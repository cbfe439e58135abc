/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A peer whose connections are held open by somebody else, and one that is
 * busy in its VMM for longer than any silence is allowed to last.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/wire/bytes.h"
#include "tests/unit/engine/busy_vmm.h"
#include "tests/unit/engine/fake_source.h"

static void a_silent_source_is_given_up(void **state)
{
	struct fake_source *s = *state;
	struct rj_frame frame;

	fake_source_begin(s);
	fake_source_reach(s, STEP_ACTIVE);
	fake_source_await_target(s);
	move_expect_error(&s->move.target_err, -ETIMEDOUT,
			  "the source has said nothing");
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
	/* It was asked. */
	assert_true(wire_peer_await(s->peer.control, RJ_FRAME_PING, &frame));
}

/* Who answers lives, however little else there is to say. */
static void a_source_that_answers_is_waited_for(void **state)
{
	struct fake_source *s = *state;
	uint8_t body[RJ_PING_BYTES];
	struct rj_frame frame;
	unsigned answered = 0;

	fake_source_begin(s);
	fake_source_reach(s, STEP_ACTIVE);
	while (answered < 10) {
		assert_true(wire_peer_read(s->peer.control, &frame, body,
					   sizeof(body)));
		if (frame.type != RJ_FRAME_PING)
			continue;
		answered++;
		assert_true(wire_peer_send_ping(s->peer.control, RJ_FRAME_PONG,
						rj_get64(body)));
	}
	fake_source_go_on(s, STEP_READY);
	assert_true(wire_peer_send_commit(s->peer.control, 1));
	fake_source_await_target(s);
	assert_int_equal(s->move.target_rc, 0);
}

static void a_target_that_loads_answers_all_the_same(void **state)
{
	struct fake_source *s = *state;

	fake_source_begin(s);
	busy_vmm_begin(&s->move.target, VM_LOAD);
	fake_source_reach(s, STEP_STATE);
	assert_true(fake_source_say_type(s, RJ_FRAME_SWITCHOVER));
	busy_vmm_ask(s->peer.control);
	assert_true(wire_peer_await(s->peer.control, RJ_FRAME_READY,
				    &(struct rj_frame){ 0 }));
	assert_int_equal(small_vm_calls(&s->move.target, VM_LOAD), 1);
	assert_true(wire_peer_send_commit(s->peer.control, 1));
	fake_source_await_target(s);
	assert_int_equal(s->move.target_rc, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_SOURCE_TEST(a_silent_source_is_given_up),
		FAKE_SOURCE_TEST(a_source_that_answers_is_waited_for),
		FAKE_SOURCE_TEST(a_target_that_loads_answers_all_the_same),
	};

	return cmocka_run_group_tests_name("silent source", tests, NULL, NULL);
}
