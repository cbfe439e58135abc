/* SPDX-License-Identifier: BSD-3-Clause */
/* Which connection is dead, and which only slow. */
#include "tests/unit/cmocka_all.h"

#include "engine/send/lane_stall.h"

#define MS UINT64_C(1000000)

/* Looked at every 100 ms for 10 s: when is it found dead? 0: never. */
static uint64_t dead_after_ms(struct rj_channel_tcp tcp, uint64_t acked_a_look)
{
	struct rj_lane_stall stall = { 0 };

	for (uint64_t ms = 1; ms < 10000; ms += 100) {
		if (rj_lane_stall_look(&stall, &tcp, ms * MS))
			return ms;
		tcp.bytes_acked += acked_a_look;
	}
	return 0;
}

static void one_that_sends_in_vain_is_dead(void **state)
{
	(void)state;
	assert_in_range(
		dead_after_ms((struct rj_channel_tcp){ .bytes_acked = 1000,
						       .unacked_bytes = 1,
						       .retransmits = 1 },
			      0),
		2000, 2200);
}

static void one_that_acknowledges_is_not(void **state)
{
	(void)state;
	assert_int_equal(
		dead_after_ms((struct rj_channel_tcp){ .unacked_bytes = 1000,
						       .retransmits = 1 },
			      1),
		0);
}

/* At a fence its peer does not read: TCP probes, and retransmits nothing. */
static void one_whose_peer_waits_is_not(void **state)
{
	(void)state;
	assert_int_equal(
		dead_after_ms((struct rj_channel_tcp){ .unacked_bytes = 1000 },
			      0),
		0);
}

static void one_with_nothing_to_send_is_not(void **state)
{
	(void)state;
	assert_int_equal(
		dead_after_ms((struct rj_channel_tcp){ .retransmits = 1 }, 0),
		0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_sends_in_vain_is_dead),
		cmocka_unit_test(one_that_acknowledges_is_not),
		cmocka_unit_test(one_whose_peer_waits_is_not),
		cmocka_unit_test(one_with_nothing_to_send_is_not),
	};

	return cmocka_run_group_tests_name("lane stall", tests, NULL, NULL);
}
