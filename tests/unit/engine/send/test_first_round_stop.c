/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is woken from waiting in round 0 by the stop, sees that it was the stop:
 * else it would end the round with a fence. */
#include "tests/unit/cmocka_all.h"

#include <unistd.h>

#include "engine/link/event.h"
#include "engine/send/first_round.h"
#include "engine/send/rounds.h"

static struct rj_rounds rounds;
static bool is_told;

void __real_rj_first_round_stop(struct rj_first_round *first);
void __wrap_rj_first_round_stop(struct rj_first_round *first);

/* From here on somebody may wake up. */
void __wrap_rj_first_round_stop(struct rj_first_round *first)
{
	is_told = atomic_load(&rounds.stopped);
	__real_rj_first_round_stop(first);
}

static void who_wakes_up_sees_the_stop(void **state)
{
	static const struct rj_first_round_ops ops;
	const struct rj_block block = { .page_count = RJ_CHUNK_PAGES };
	const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct rj_first_round first;

	(void)state;
	assert_int_equal(rj_rounds_init(&rounds, &block, 1, 1, fd, NULL), 0);
	assert_int_equal(rj_first_round_init(&first, rounds.placement,
					     rounds.maps[0], 1, &ops, NULL,
					     NULL),
			 0);
	rj_rounds_find_first(&rounds, &first);
	(void)rj_rounds_open(&rounds, false);
	rj_rounds_stop(&rounds);
	assert_true(is_told);
	rj_first_round_done(&first);
	rj_rounds_done(&rounds);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_wakes_up_sees_the_stop),
	};

	return cmocka_run_group_tests_name("first_round_stop", tests, NULL,
					   NULL);
}
