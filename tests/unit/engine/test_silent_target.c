/* SPDX-License-Identifier: BSD-3-Clause */
/* A target whose connections are held open by somebody else, or that is asked
 * while the source is busy. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/engine/busy_vmm.h"
#include "tests/unit/engine/fake_target.h"

/* It takes what little a guest on hold writes, and says nothing any more. */
static void a_silent_target_is_given_up(void **state)
{
	struct fake_target *s = *state;

	fake_target_begin(s);
	s->move.source_params.reply_timeout_ms = 0;
	s->move.source_params.stall_timeout_ms = 0;
	fake_target_reach(s, STEP_HELLO);
	assert_true(wire_peer_send_accept(s->peer.control, WIRE_PEER_CHANNELS));
	fake_target_take_channels(&s->peer);
	fake_target_expect_source_runs(s);
	move_expect_error(&s->move.source_err, -ETIMEDOUT,
			  "the target has said nothing");
}

static void a_source_that_stops_its_guest_answers_all_the_same(void **state)
{
	struct fake_target *s = *state;

	fake_target_begin(s);
	busy_vmm_begin(&s->move.source, VM_STOP);
	fake_target_reach(s, STEP_ACTIVE);
	assert_int_equal(ramjet_switchover(s->move.outgoing), 0);
	busy_vmm_ask(s->peer.control);
	assert_true(wire_peer_send_failed(s->peer.control, -ENOSPC, "full"));
	fake_target_expect_source_runs(s);
	move_expect_error(&s->move.source_err, -ENOSPC, "full");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(a_silent_target_is_given_up),
		PEER_TEST(a_source_that_stops_its_guest_answers_all_the_same),
	};

	return cmocka_run_group_tests_name("silent target", tests, NULL, NULL);
}
