/* SPDX-License-Identifier: BSD-3-Clause */
/* How many hot pages may wait, and when to look for them. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "engine/source/hot_pages.h"
#include "tests/unit/engine/bare_env.h"

#define PAGES 4096u
#define MIB   1048576.0

struct scene {
	struct rj_source_pages pages;
	struct rj_forecast forecast;
	struct bare_env bare;
};

static struct scene *open_scene(enum ramjet_hot_pages hot_pages)
{
	static const struct rj_block block = { .page_count = PAGES };
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	bare_env_open(&s->bare);
	s->bare.params.hot_pages = hot_pages;
	assert_int_equal(
		rj_rounds_init(&s->pages.rounds, &block, 1, 1, -1, NULL), 0);
	assert_int_equal(rj_hot_pages_begin(&s->pages, &s->bare.env, NULL), 0);
	s->forecast.pause.known = true;
	s->forecast.estimate.raw_share = 1;
	s->forecast.estimate.capacity =
		(struct rj_smooth){ .mean = 100 * MIB, .samples = 3 };
	return s;
}

static void close_scene(struct scene *s)
{
	rj_rounds_done(&s->pages.rounds);
	bare_env_close(&s->bare);
	free(s);
}

static uint64_t room(struct scene *s, uint64_t limit_us)
{
	const struct rj_pause_inputs inputs = { 0 };

	atomic_store(&s->bare.downtime_limit_us, limit_us);
	rj_hot_pages_make_room(&s->pages, &s->forecast, &inputs, &s->bare.env);
	return s->pages.room_pages;
}

static void as_many_wait_as_the_pause_allows(void **state)
{
	struct scene *s = open_scene(RAMJET_HOT_PAGES_LAST);
	struct rj_pause_inputs with = { 0 };
	struct rj_pause pause;

	(void)state;
	/* 100 MiB/s are 25.6 pages a millisecond. */
	with.unsent_pages = (double)room(s, 300000);
	assert_in_range(with.unsent_pages, 300 * 25.6 / 2, 300 * 25.6 * 0.7);
	rj_estimate_pause(&s->forecast.estimate, &with, &pause);
	assert_in_range(pause.p90_us, 200000, 210000);
	assert_int_equal(room(s, 1000), 0);
	/* Whatever it takes. */
	assert_true(room(s, UINT64_MAX) > UINT64_C(1) << 39);
	/* Nobody knows how long they would take. */
	s->forecast.pause.known = false;
	assert_int_equal(room(s, 300000), 0);
	close_scene(s);
}

static void a_long_round_is_looked_into_at_little_cost(void **state)
{
	struct scene *s = open_scene(RAMJET_HOT_PAGES_LAST);
	const uint64_t began = 5000000;

	(void)state;
	s->pages.synced_us = began;
	/* Not the first. */
	assert_false(rj_hot_pages_want_look(&s->pages, began + 900000));
	s->pages.round = rj_rounds_open(&s->pages.rounds, false);
	rj_rounds_leave(&s->pages.rounds, 0, 0);
	s->pages.round = rj_rounds_open(&s->pages.rounds, false);
	assert_int_equal(s->pages.round, 1);
	assert_false(rj_hot_pages_want_look(&s->pages, began + 50000));
	assert_true(rj_hot_pages_want_look(&s->pages, began + 150000));
	/* 20 ms of the guest's time: a twentieth of 400. */
	s->pages.collect_cost_us = 20000;
	assert_false(rj_hot_pages_want_look(&s->pages, began + 390000));
	assert_true(rj_hot_pages_want_look(&s->pages, began + 410000));
	close_scene(s);
}

static void in_turn_nothing_waits(void **state)
{
	struct scene *s = open_scene(RAMJET_HOT_PAGES_IN_TURN);

	(void)state;
	assert_false(rj_heat_is_used(&s->pages.rounds.heat));
	s->pages.round = 1;
	assert_false(rj_hot_pages_want_look(&s->pages, 900000));
	close_scene(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_wait_as_the_pause_allows),
		cmocka_unit_test(a_long_round_is_looked_into_at_little_cost),
		cmocka_unit_test(in_turn_nothing_waits),
	};

	return cmocka_run_group_tests_name("hot_pages", tests, NULL, NULL);
}
