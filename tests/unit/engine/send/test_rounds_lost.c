/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers that are lost hold nobody up, and leave nothing unsent; those that come
 * back begin where it is not too late. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/send/rounds.h"

#define WORKERS 3u
#define PAGES   1500u

struct scene {
	struct rj_block block;
	struct rj_rounds rounds;
	int event_fd;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	s->block.page_count = PAGES;
	s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	*state = s;
	return rj_rounds_init(&s->rounds, &s->block, 1, WORKERS, s->event_fd,
			      NULL);
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_rounds_done(&s->rounds);
	(void)close(s->event_fd);
	free(s);
	return 0;
}

/* The next round, with these pages beside what was told. */
static uint32_t open_round(struct scene *s, uint64_t first, uint64_t count,
			   bool final)
{
	assert_true(rj_rounds_can_fill(&s->rounds));
	rj_rounds_filled(
		&s->rounds,
		rj_bitmap_set_run(rj_rounds_sink(&s->rounds)[0], first, count));
	return rj_rounds_open(&s->rounds, final);
}

static uint64_t drain(struct scene *s, unsigned worker, uint32_t round)
{
	struct rj_claim claim;
	uint64_t pages = 0;

	while (rj_rounds_claim(&s->rounds, worker, round, &claim, NULL))
		pages += claim.pages;
	return pages;
}

static void a_lost_one_holds_nobody_up(void **state)
{
	struct scene *s = *state;

	assert_int_equal(open_round(s, 0, 10, false), 0);
	assert_int_equal(open_round(s, 0, 10, false), 1);
	assert_int_equal(drain(s, 0, 0), 10);
	rj_rounds_leave(&s->rounds, 0, 0);
	rj_rounds_leave(&s->rounds, 1, 0);
	assert_false(rj_rounds_can_fill(&s->rounds));
	assert_int_equal(atomic_load(&s->rounds.left_by_all), 0);
	rj_rounds_lose(&s->rounds, 2);
	assert_true(rj_rounds_can_fill(&s->rounds));
	assert_int_equal(atomic_load(&s->rounds.left_by_all), 1);
	assert_false(rj_rounds_counts(&s->rounds, 2));
	rj_rounds_leave(&s->rounds, 0, 1);
	assert_false(rj_rounds_all_left(&s->rounds));
	rj_rounds_leave(&s->rounds, 1, 1);
	assert_true(rj_rounds_all_left(&s->rounds));
}

static void all_that_are_left_claim(void **state)
{
	struct scene *s = *state;

	rj_rounds_set_active(&s->rounds, 1);
	(void)open_round(s, 0, PAGES, false);
	rj_rounds_lose(&s->rounds, 0);
	assert_int_equal(rj_rounds_active(&s->rounds), WORKERS);
}

/* Nobody is there to take what is open. */
static void with_none_left_no_round_is_over(void **state)
{
	struct scene *s = *state;

	(void)open_round(s, 0, PAGES, false);
	for (unsigned i = 0; i < WORKERS; i++)
		rj_rounds_lose(&s->rounds, i);
	assert_false(rj_rounds_can_fill(&s->rounds));
	assert_false(rj_rounds_all_left(&s->rounds));
	assert_int_equal(rj_rounds_join(&s->rounds, 1, 0), 0);
	assert_true(rj_rounds_can_fill(&s->rounds));
	assert_int_equal(drain(s, 1, 0), PAGES);
}

/* What they left in the round before the open one, whoever returns takes, before the
 * last fence. */
static void what_was_left_behind_is_taken(void **state)
{
	struct scene *s = *state;

	(void)open_round(s, 0, 700, false);
	(void)open_round(s, 1000, 1, true);
	for (unsigned i = 0; i < WORKERS; i++)
		rj_rounds_lose(&s->rounds, i);
	assert_int_equal(rj_rounds_join(&s->rounds, 0, 0), 0);
	assert_int_equal(drain(s, 0, 0), 700);
	rj_rounds_leave(&s->rounds, 0, 0);
	assert_int_equal(drain(s, 0, 1), 1);
	rj_rounds_leave(&s->rounds, 0, 1);
	assert_true(rj_rounds_all_left(&s->rounds));
	assert_int_equal(rj_rounds_remaining(&s->rounds), 0);
}

static void one_that_returns_begins_in_the_open_round(void **state)
{
	struct scene *s = *state;

	(void)open_round(s, 0, 1, false);
	rj_rounds_lose(&s->rounds, 2);
	rj_rounds_leave(&s->rounds, 0, 0);
	rj_rounds_leave(&s->rounds, 1, 0);
	/* All have left that. */
	assert_int_equal(rj_rounds_join(&s->rounds, 2, 0), 1);
	assert_int_equal(atomic_load(&s->rounds.left_by_all), 1);
	assert_int_equal(open_round(s, 0, 1, false), 1);
	rj_rounds_lose(&s->rounds, 2);
	assert_int_equal(rj_rounds_join(&s->rounds, 2, 0), 1);
	/* The target is further than we know. */
	rj_rounds_lose(&s->rounds, 2);
	assert_int_equal(rj_rounds_join(&s->rounds, 2, 2), 2);
}

/* So that lanes agree, whichever round they come from. */
static void a_last_round_that_was_not_stays_final(void **state)
{
	struct scene *s = *state;
	uint64_t kicks = 0;
	bool final = false;

	(void)open_round(s, 0, 1, false);
	for (unsigned i = 0; i < WORKERS; i++)
		rj_rounds_leave(&s->rounds, i, 0);
	(void)open_round(s, 0, 1, true);
	assert_false(rj_rounds_is_final(&s->rounds, 0));
	assert_true(rj_rounds_is_final(&s->rounds, 1));
	assert_int_equal(rj_rounds_enter(&s->rounds, 2, &kicks, &final),
			 RJ_ENTER_NO_MORE);
	rj_told_mark(&s->rounds.told, 0, 7, 3);
	assert_int_equal(open_round(s, 0, 0, true), 2);
	rj_rounds_wait_more(&s->rounds, 2, &kicks);
	assert_int_equal(rj_rounds_enter(&s->rounds, 2, &kicks, &final),
			 RJ_ENTER_OPEN);
	assert_true(final);
	assert_int_equal(rj_rounds_enter(&s->rounds, 1, &kicks, &final),
			 RJ_ENTER_OPEN);
	assert_true(final);
	assert_int_equal(drain(s, 0, 2), 4);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_lost_one_holds_nobody_up),
		CASE(all_that_are_left_claim),
		CASE(with_none_left_no_round_is_over),
		CASE(what_was_left_behind_is_taken),
		CASE(one_that_returns_begins_in_the_open_round),
		CASE(a_last_round_that_was_not_stays_final),
	};

	return cmocka_run_group_tests_name("rounds, lost workers", tests, NULL,
					   NULL);
}
