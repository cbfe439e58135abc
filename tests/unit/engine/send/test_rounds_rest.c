/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers that are told to rest, and those without a shard of their own. */
#include "tests/unit/cmocka_all.h"

#include <pthread.h>
#include <string.h>

#include "engine/send/rounds.h"

#define WORKERS 4u
#define PAGES   4096u

struct scene {
	struct rj_block block;
	struct rj_rounds rounds;
};

static struct scene scene;

static int setup(void **state)
{
	scene = (struct scene){ .block = { .page_count = PAGES } };
	*state = &scene;
	if (rj_rounds_init(&scene.rounds, &scene.block, 1, WORKERS, -1, NULL))
		return -1;
	scene.rounds.long_pages = 1000;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_rounds_done(&s->rounds);
	return 0;
}

static void open_with(struct scene *s, uint64_t pages, bool final)
{
	rj_rounds_filled(
		&s->rounds,
		rj_bitmap_set_run(rj_rounds_sink(&s->rounds)[0], 0, pages));
	(void)rj_rounds_open(&s->rounds, final);
}

struct rester {
	struct scene *scene;
	pthread_t thread;
	bool wanted;
};

static void *rest(void *user)
{
	struct rester *r = user;

	r->wanted = rj_rounds_rest(&r->scene->rounds, 3, 0);
	return NULL;
}

static void want_all(struct rj_rounds *rounds)
{
	rj_rounds_set_active(rounds, WORKERS);
}

static void exhaust(struct rj_rounds *rounds)
{
	rj_rounds_exhausted(rounds, 0);
}

static void open_next(struct rj_rounds *rounds)
{
	(void)rj_rounds_open(rounds, false);
}

/* What worker 3 is told when it rests in a long round 0 and this happens. */
static bool rests_until(struct scene *s, void (*what)(struct rj_rounds *))
{
	struct rester r = { .scene = s };

	rj_rounds_set_active(&s->rounds, 2);
	open_with(s, 1000, false);
	assert_int_equal(pthread_create(&r.thread, NULL, rest, &r), 0);
	what(&s->rounds);
	assert_int_equal(pthread_join(r.thread, NULL), 0);
	return r.wanted;
}

static void all_are_active_at_first(void **state)
{
	struct scene *s = *state;

	assert_int_equal(rj_rounds_active(&s->rounds), WORKERS);
	assert_true(rj_rounds_rest(&s->rounds, WORKERS - 1, 0));
}

static void who_rests_is_called_back(void **state)
{
	assert_true(rests_until(*state, want_all));
}

static void who_rests_may_go_on_when_nothing_is_left(void **state)
{
	assert_false(rests_until(*state, exhaust));
}

static void who_rests_may_go_on_when_the_next_round_is_open(void **state)
{
	assert_false(rests_until(*state, open_next));
}

static void who_rests_hears_the_stop(void **state)
{
	assert_false(rests_until(*state, rj_rounds_stop));
}

static void nobody_rests_in_a_short_round(void **state)
{
	struct scene *s = *state;

	rj_rounds_set_active(&s->rounds, 2);
	open_with(s, 999, false);
	assert_false(rj_rounds_rest(&s->rounds, 2, 0));
}

static void nobody_rests_in_the_final_round(void **state)
{
	struct scene *s = *state;

	rj_rounds_set_active(&s->rounds, 2);
	open_with(s, PAGES, true);
	assert_false(rj_rounds_rest(&s->rounds, 2, 0));
}

static void a_round_exhausted_says_nothing_of_the_next(void **state)
{
	struct scene *s = *state;

	rj_rounds_set_active(&s->rounds, 2);
	open_with(s, PAGES, false);
	rj_rounds_exhausted(&s->rounds, 0);
	assert_false(rj_rounds_rest(&s->rounds, 3, 0));
	for (unsigned i = 0; i < WORKERS; i++)
		rj_rounds_leave(&s->rounds, i, 0);
	open_with(s, PAGES, false);
	/* Late news of the round before. */
	rj_rounds_exhausted(&s->rounds, 0);
	assert_int_equal(s->rounds.exhausted, 1);
	rj_rounds_exhausted(&s->rounds, 1);
	assert_false(rj_rounds_rest(&s->rounds, 3, 1));
}

static void only_the_first_have_homes(void **state)
{
	struct scene *s = *state;
	const struct rj_home *homes;

	assert_int_equal(rj_rounds_set_homes(&s->rounds, 2, NULL), 0);
	homes = s->rounds.placement->homes;
	assert_int_equal(homes[0].first, 0);
	assert_int_equal(homes[0].end, 4);
	assert_int_equal(homes[1].end, 8);
	for (unsigned i = 2; i < WORKERS; i++)
		assert_int_equal(homes[i].first, homes[i].end);
}

static void the_homeless_find_everything(void **state)
{
	struct scene *s = *state;
	struct rj_claim claim;
	uint64_t pages = 0;

	assert_int_equal(rj_rounds_set_homes(&s->rounds, 2, NULL), 0);
	open_with(s, PAGES, false);
	while (rj_rounds_claim(&s->rounds, 3, 0, &claim, NULL))
		pages += claim.pages;
	assert_int_equal(pages, PAGES);
}

static void a_small_round_is_cut_for_those_who_are_active(void **state)
{
	struct scene *s = *state;
	struct rj_claim claim;

	rj_rounds_set_active(&s->rounds, 2);
	open_with(s, 512, true);
	assert_true(rj_rounds_claim(&s->rounds, 0, 0, &claim, NULL));
	assert_int_equal(claim.pages, 256);
	assert_true(rj_rounds_claim(&s->rounds, 1, 0, &claim, NULL));
	assert_int_equal(claim.pages, 256);
	assert_false(rj_rounds_claim(&s->rounds, 0, 0, &claim, NULL));
}

static void a_worker_alone_takes_whole_chunks(void **state)
{
	struct scene *s = *state;
	struct rj_claim claim;

	rj_rounds_set_active(&s->rounds, 1);
	open_with(s, 512, true);
	assert_true(rj_rounds_claim(&s->rounds, 0, 0, &claim, NULL));
	assert_int_equal(claim.pages, 512);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(all_are_active_at_first),
		CASE(who_rests_is_called_back),
		CASE(who_rests_may_go_on_when_nothing_is_left),
		CASE(who_rests_may_go_on_when_the_next_round_is_open),
		CASE(who_rests_hears_the_stop),
		CASE(nobody_rests_in_a_short_round),
		CASE(nobody_rests_in_the_final_round),
		CASE(a_round_exhausted_says_nothing_of_the_next),
		CASE(only_the_first_have_homes),
		CASE(the_homeless_find_everything),
		CASE(a_small_round_is_cut_for_those_who_are_active),
		CASE(a_worker_alone_takes_whole_chunks),
	};

	return cmocka_run_group_tests_name("rounds_rest", tests, NULL, NULL);
}
