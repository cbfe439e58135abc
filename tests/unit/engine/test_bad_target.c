/* SPDX-License-Identifier: BSD-3-Clause */
/* A page of the target breaks after it has arrived, and another run of it is placed:
 * by the receive worker itself. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>

#include "tests/unit/engine/bad_page.h"
#include "tests/unit/engine/bus_handler.h"
#include "tests/unit/engine/fake_source.h"

/* Page 0 is there, for good. */
static void apply_round_0(struct fake_source *s)
{
	struct rj_frame frame;

	for (unsigned i = 0; i < WIRE_PEER_CHANNELS; i++)
		assert_true(wire_peer_send_round(s->peer.data[i],
						 RJ_FRAME_FENCE, 0, 0));
	assert_true(wire_peer_await(s->peer.control, RJ_FRAME_APPLIED, &frame));
}

static void a_page_that_is_to_become_zero(void **state)
{
	const struct rj_wire_run run = { 0, 1, RJ_RUN_ZERO };
	const struct rj_frame frame = {
		.type = RJ_FRAME_PAGES,
		.round = 1,
		.run_count = 1,
	};
	struct fake_source *s = *state;
	uint8_t table[RJ_RUN_BYTES];
	struct ramjet_error told;

	bus_handler_install();
	fake_source_begin(s);
	fake_source_reach(s, STEP_ACTIVE);
	apply_round_0(s);
	if (!bad_page_make(s->move.target.ram[0].host))
		skip();
	rj_run_encode(&run, table);
	assert_true(fake_source_pages(s, &frame, table, NULL));
	fake_source_await_target(s);
	assert_int_equal(atomic_load(&bus_handler_asked), 1);
	move_expect_error(&s->move.target_err, -EHWPOISON,
			  "block ram0, offset 0: the memory there is broken");
	move_expect_error(&s->move.target_err, -EHWPOISON, "channel 0, offset");
	wire_peer_hear_end(s->peer.control, &told);
	assert_string_equal(told.message, s->move.target_err.message);
	assert_int_equal(small_vm_calls(&s->move.target, VM_START), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_SOURCE_TEST(a_page_that_is_to_become_zero),
	};

	return cmocka_run_group_tests_name("bad_target", tests, NULL, NULL);
}
