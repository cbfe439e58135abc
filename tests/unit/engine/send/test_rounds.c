/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/link/event.h"
#include "engine/send/rounds.h"
#include "tests/unit/engine/fake_nodes.h"
#include "util/bits.h"

#define WORKERS 3u

struct scene {
	struct rj_block blocks[3]; /* 1, 1500 and 512 pages */
	struct rj_rounds rounds;
	int event_fd;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	s->blocks[0].page_count = 1;
	s->blocks[1].page_count = 1500;
	s->blocks[2].page_count = 512;
	s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	*state = s;
	return rj_rounds_init(&s->rounds, s->blocks, 3, WORKERS, s->event_fd,
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

static void fill(struct scene *s, unsigned block, uint64_t first,
		 uint64_t count)
{
	assert_true(rj_rounds_can_fill(&s->rounds));
	rj_rounds_filled(&s->rounds,
			 rj_bitmap_set_run(rj_rounds_sink(&s->rounds)[block],
					   first, count));
}

static bool is_claimed(const struct rj_claim *claim, uint64_t page)
{
	const uint64_t bit = page - claim->first_page;

	return claim->words[bit / RJ_WORD_BITS] >> bit % RJ_WORD_BITS & 1;
}

/* Claim until nothing is left; returns how many pages that were. */
static uint64_t drain(struct scene *s, unsigned worker, uint32_t round)
{
	struct rj_claim claim;
	uint64_t pages = 0;

	while (rj_rounds_claim(&s->rounds, worker, round, &claim, NULL)) {
		unsigned bits = 0;

		for (unsigned i = 0; i < RJ_CHUNK_WORDS; i++)
			bits += rj_popcount(claim.words[i]);
		assert_int_equal(bits, claim.pages);
		assert_true(claim.pages > 0);
		assert_true(claim.first_page % RJ_CHUNK_PAGES == 0);
		pages += claim.pages;
	}
	return pages;
}

static void leave_all(struct scene *s, uint32_t round)
{
	for (unsigned i = 0; i < WORKERS; i++)
		rj_rounds_leave(&s->rounds, i, round);
}

static bool is_signalled(struct scene *s)
{
	struct pollfd fd = { .fd = s->event_fd, .events = POLLIN };
	const bool yes = poll(&fd, 1, 0) == 1;

	rj_event_clear(s->event_fd);
	return yes;
}

static void a_worker_claims_what_was_filled_and_nothing_else(void **state)
{
	struct scene *s = *state;
	struct rj_claim claim;

	fill(s, 1, 510, 4);
	assert_int_equal(rj_rounds_next_pages(&s->rounds), 4);
	assert_int_equal(rj_rounds_open_pages(&s->rounds), 0);
	assert_int_equal(rj_rounds_open(&s->rounds, false), 0);
	assert_int_equal(rj_rounds_open_pages(&s->rounds), 4);
	assert_int_equal(rj_rounds_next_pages(&s->rounds), 0);
	assert_true(rj_rounds_claim(&s->rounds, 0, 0, &claim, NULL));
	assert_int_equal(claim.block, 1);
	assert_int_equal(claim.first_page, 0);
	assert_int_equal(claim.pages, 2);
	assert_true(is_claimed(&claim, 510) && is_claimed(&claim, 511));
	assert_int_equal(rj_rounds_remaining(&s->rounds), 2);
	assert_true(rj_rounds_claim(&s->rounds, 0, 0, &claim, NULL));
	assert_int_equal(claim.first_page, 512);
	assert_true(is_claimed(&claim, 512) && is_claimed(&claim, 513));
	assert_false(rj_rounds_claim(&s->rounds, 0, 0, &claim, NULL));
	assert_int_equal(rj_rounds_remaining(&s->rounds), 0);
}

static void any_worker_can_claim_everything_alone(void **state)
{
	struct scene *s = *state;
	uint32_t round = 0;

	for (unsigned worker = 0; worker < WORKERS; worker++) {
		fill(s, 0, 0, 1);
		fill(s, 1, 0, 1500);
		fill(s, 2, 0, 512);
		assert_int_equal(rj_rounds_open(&s->rounds, false), round);
		assert_int_equal(drain(s, worker, round), 2013);
		leave_all(s, round++);
	}
}

static void the_first_and_last_page_of_every_block_count(void **state)
{
	struct scene *s = *state;

	for (unsigned block = 0; block < 3; block++) {
		fill(s, block, 0, 1);
		fill(s, block, s->blocks[block].page_count - 1, 1);
	}
	(void)rj_rounds_open(&s->rounds, false);
	/* A page that is first and last is one page. */
	assert_int_equal(drain(s, 1, 0), 5);
}

/* As if there were dirt enough for everybody. */
static void open_large(struct scene *s)
{
	const uint32_t round = rj_rounds_open(&s->rounds, false);

	atomic_store(&s->rounds.part_pages[round & 1], 0);
}

static void a_small_round_is_for_all_workers(void **state)
{
	struct scene *s = *state;
	struct rj_claim claim;

	fill(s, 1, 600, 300);
	(void)rj_rounds_open(&s->rounds, true);
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_true(rj_rounds_claim(&s->rounds, i, 0, &claim, NULL));
		assert_int_equal(claim.block, 1);
		assert_int_equal(claim.first_page, 512);
		assert_in_range(claim.pages, 1, 128);
	}
	assert_false(rj_rounds_claim(&s->rounds, 0, 0, &claim, NULL));
	assert_int_equal(rj_rounds_remaining(&s->rounds), 0);
}

/* Or two workers would send the same page in one round. */
static void a_part_takes_nothing_of_the_next_round_along(void **state)
{
	struct scene *s = *state;
	struct rj_claim claim;

	fill(s, 1, 600, 300);
	(void)rj_rounds_open(&s->rounds, false);
	fill(s, 1, 512, 512);
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_true(rj_rounds_claim(&s->rounds, i, 0, &claim, NULL));
		assert_in_range(claim.pages, 1, 128);
	}
	assert_false(rj_rounds_claim(&s->rounds, 0, 0, &claim, NULL));
	assert_int_equal(rj_rounds_remaining(&s->rounds), 512);
}

static void dirt_of_the_next_round_goes_with_its_chunk(void **state)
{
	struct scene *s = *state;
	struct rj_claim claim;

	fill(s, 1, 3, 1);
	open_large(s);
	fill(s, 1, 3, 1);
	fill(s, 1, 9, 1);
	fill(s, 1, 600, 1);
	assert_int_equal(rj_rounds_remaining(&s->rounds), 4);
	assert_true(rj_rounds_claim(&s->rounds, 0, 0, &claim, NULL));
	assert_true(is_claimed(&claim, 3) && is_claimed(&claim, 9));
	assert_int_equal(claim.pages, 2);
	/* Page 600's chunk has nothing in this round. */
	assert_false(rj_rounds_claim(&s->rounds, 0, 0, &claim, NULL));
	assert_int_equal(rj_rounds_remaining(&s->rounds), 1);
	leave_all(s, 0);
	assert_int_equal(rj_rounds_open(&s->rounds, false), 1);
	assert_int_equal(drain(s, 2, 1), 1);
	assert_int_equal(rj_rounds_remaining(&s->rounds), 0);
}

static void nobody_fills_before_all_have_left_the_round_before_last(
	void **state)
{
	struct scene *s = *state;

	assert_true(rj_rounds_can_fill(&s->rounds));
	assert_false(rj_rounds_all_left(&s->rounds));
	(void)rj_rounds_open(&s->rounds, false);
	assert_true(rj_rounds_can_fill(&s->rounds));
	(void)rj_rounds_open(&s->rounds, false);
	assert_false(rj_rounds_can_fill(&s->rounds));
	rj_rounds_leave(&s->rounds, 0, 0);
	rj_rounds_leave(&s->rounds, 2, 0);
	assert_false(rj_rounds_can_fill(&s->rounds));
	rj_rounds_leave(&s->rounds, 0, 1);
	assert_false(rj_rounds_can_fill(&s->rounds));
	rj_rounds_leave(&s->rounds, 1, 0);
	assert_true(rj_rounds_can_fill(&s->rounds));
	assert_false(rj_rounds_all_left(&s->rounds));
	rj_rounds_leave(&s->rounds, 1, 1);
	rj_rounds_leave(&s->rounds, 2, 1);
	assert_true(rj_rounds_all_left(&s->rounds));
}

static void leaving_and_running_low_wake_the_control_thread(void **state)
{
	struct scene *s = *state;
	struct rj_claim claim;

	fill(s, 1, 0, 1100);
	rj_rounds_set_low(&s->rounds, 600);
	open_large(s);
	(void)is_signalled(s);
	assert_true(rj_rounds_claim(&s->rounds, 0, 0, &claim, NULL));
	assert_int_equal(rj_rounds_open_pages(&s->rounds), 588);
	assert_true(is_signalled(s));
	assert_true(rj_rounds_claim(&s->rounds, 0, 0, &claim, NULL));
	assert_false(is_signalled(s));
	rj_rounds_leave(&s->rounds, 1, 0);
	assert_true(is_signalled(s));
}

static void marks_wait_for_the_next_fill(void **state)
{
	struct scene *s = *state;

	(void)rj_rounds_open(&s->rounds, false);
	rj_told_mark(&s->rounds.told, 2, 500, 12);
	rj_told_mark(&s->rounds.told, 0, 0, 1);
	rj_told_mark(&s->rounds.told, 1, 1499, 1);
	assert_int_equal(drain(s, 0, 0), 0);
	leave_all(s, 0);
	/* Found by a source as well: one page all the same. */
	fill(s, 2, 500, 1);
	assert_int_equal(rj_rounds_next_pages(&s->rounds), 14);
	(void)rj_rounds_open(&s->rounds, false);
	assert_int_equal(drain(s, 0, 1), 14);
	leave_all(s, 1);
	fill(s, 0, 0, 0);
	assert_int_equal(rj_rounds_next_pages(&s->rounds), 0);
}

static void the_final_round_is_the_last(void **state)
{
	struct scene *s = *state;
	uint64_t kicks = 0;
	bool final = true;

	(void)rj_rounds_open(&s->rounds, false);
	assert_int_equal(rj_rounds_enter(&s->rounds, 0, &kicks, &final),
			 RJ_ENTER_OPEN);
	assert_false(final);
	leave_all(s, 0);
	fill(s, 1, 7, 1);
	assert_int_equal(rj_rounds_open(&s->rounds, true), 1);
	assert_int_equal(rj_rounds_enter(&s->rounds, 1, &kicks, &final),
			 RJ_ENTER_OPEN);
	assert_true(final);
	assert_int_equal(drain(s, 0, 1), 1);
	assert_int_equal(rj_rounds_enter(&s->rounds, 2, &kicks, &final),
			 RJ_ENTER_NO_MORE);
}

static void a_straggler_learns_that_its_round_was_not_the_final_one(
	void **state)
{
	struct scene *s = *state;
	uint64_t kicks = 0;
	bool final = true;

	(void)rj_rounds_open(&s->rounds, false);
	(void)rj_rounds_open(&s->rounds, true);
	assert_int_equal(rj_rounds_enter(&s->rounds, 0, &kicks, &final),
			 RJ_ENTER_OPEN);
	assert_false(final);
	assert_int_equal(rj_rounds_enter(&s->rounds, 1, &kicks, &final),
			 RJ_ENTER_OPEN);
	assert_true(final);
}

struct waiter {
	struct scene *scene;
	uint32_t round;
	enum rj_enter result;
	pthread_t thread;
};

static void *enter(void *user)
{
	struct waiter *w = user;
	uint64_t kicks = 0;
	bool final;

	w->result =
		rj_rounds_enter(&w->scene->rounds, w->round, &kicks, &final);
	return NULL;
}

static enum rj_enter waits_until(struct scene *s, uint32_t round,
				 void (*what)(struct rj_rounds *))
{
	struct waiter w = { .scene = s, .round = round };

	assert_int_equal(pthread_create(&w.thread, NULL, enter, &w), 0);
	what(&s->rounds);
	assert_int_equal(pthread_join(w.thread, NULL), 0);
	return w.result;
}

static void open_one(struct rj_rounds *rounds)
{
	(void)rj_rounds_open(rounds, false);
}

static void open_last(struct rj_rounds *rounds)
{
	(void)rj_rounds_open(rounds, true);
}

static void waiting_for_a_round_ends_when_something_happens(void **state)
{
	struct scene *s = *state;

	assert_int_equal(waits_until(s, 0, rj_rounds_kick), RJ_ENTER_KICKED);
	/* The kick is remembered for those who were not there. */
	s->rounds.kicks = 0;
	assert_int_equal(waits_until(s, 0, open_one), RJ_ENTER_OPEN);
	assert_int_equal(waits_until(s, 1, open_one), RJ_ENTER_OPEN);
	assert_int_equal(waits_until(s, 3, open_last), RJ_ENTER_NO_MORE);
}

static void stopping_ends_waits_and_claims(void **state)
{
	struct scene *s = *state;
	struct rj_claim claim;
	uint64_t kicks = 0;
	bool final;

	fill(s, 1, 0, 1000);
	(void)rj_rounds_open(&s->rounds, false);
	assert_true(rj_rounds_claim(&s->rounds, 0, 0, &claim, NULL));
	assert_int_equal(waits_until(s, 1, rj_rounds_stop), RJ_ENTER_STOP);
	assert_false(rj_rounds_claim(&s->rounds, 0, 0, &claim, NULL));
	assert_int_equal(rj_rounds_enter(&s->rounds, 0, &kicks, &final),
			 RJ_ENTER_STOP);
	assert_true(rj_rounds_wait_kick(&s->rounds, &kicks));
}

static void a_kick_ends_the_wait_after_the_last_round(void **state)
{
	struct scene *s = *state;
	uint64_t kicks = 0;

	rj_rounds_kick(&s->rounds);
	assert_false(rj_rounds_wait_kick(&s->rounds, &kicks));
	assert_int_equal(kicks, 1);
	rj_rounds_stop(&s->rounds);
	assert_true(rj_rounds_wait_kick(&s->rounds, &kicks));
}

static void more_workers_than_chunks_are_no_trouble(void **state)
{
	struct rj_block block = { .page_count = 10 };
	struct rj_rounds rounds = { 0 };
	struct rj_claim claim;

	(void)state;
	assert_int_equal(rj_rounds_init(&rounds, &block, 1, 16, -1, NULL), 0);
	for (uint32_t round = 0; round < 16; round++) {
		rj_rounds_filled(&rounds,
				 rj_bitmap_set_run(rj_rounds_sink(&rounds)[0],
						   round % 10, 1));
		(void)rj_rounds_open(&rounds, false);
		assert_true(
			rj_rounds_claim(&rounds, round, round, &claim, NULL));
		assert_true(is_claimed(&claim, round % 10));
		for (unsigned i = 0; i < 16; i++) {
			assert_false(rj_rounds_claim(&rounds, i, round, &claim,
						     NULL));
			rj_rounds_leave(&rounds, i, round);
		}
	}
	rj_rounds_done(&rounds);
	/* Also safe when it never was. */
	rj_rounds_done(&rounds);
}

/* The blocks' 5 chunks lie on nodes 1, 0 1 0 and 1. */
static void each_node_has_its_chunks_claimed_by_its_own_workers(void **state)
{
	static const int node_of[3][3] = { { 1 }, { 0, 1, 0 }, { 1 } };
	static struct rj_topology topology;
	const struct rj_stretch stretches[] = {
		{ 0, 1, 0, 1, 1, 0 }, { 1, 0, 0, 1, 1, 0 },
		{ 1, 1, 1, 1, 1, 0 }, { 1, 0, 2, 1, 1, 0 },
		{ 2, 1, 0, 1, 1, 0 },
	};
	const struct rj_placement_wish wish = {
		.topology = &topology,
		.stretches = stretches,
		.stretch_count = RJ_ARRAY_SIZE(stretches),
		.worker_count = WORKERS,
		.nic_node = RJ_NODE_ANY,
	};
	struct rj_placement placement;
	struct scene *s = *state;
	uint32_t round = 0;

	fake_topology(&topology, 2, 4);
	assert_int_equal(rj_placement_init(&placement, &wish, NULL), 0);
	rj_rounds_place(&s->rounds, &placement);
	for (unsigned worker = 0; worker < WORKERS; worker++) {
		struct rj_claim claim;
		unsigned switches = 0, claims = 0;
		int before = placement.homes[worker].node;

		fill(s, 0, 0, 1);
		fill(s, 1, 0, 1500);
		fill(s, 2, 0, 512);
		(void)rj_rounds_open(&s->rounds, false);
		atomic_store(&s->rounds.part_pages[round & 1], 0);
		for (; rj_rounds_claim(&s->rounds, worker, round, &claim, NULL);
		     claims++) {
			const int now = node_of[claim.block][claim.first_page /
							     RJ_CHUNK_PAGES];

			switches += now != before;
			before = now;
		}
		assert_int_equal(claims, 5);
		assert_int_equal(switches, 1);
		assert_int_equal(rj_rounds_remaining(&s->rounds), 0);
		leave_all(s, round++);
	}
	rj_placement_done(&placement);
}

struct late {
	struct scene *s;
	atomic_bool comes, armed;
	bool was_armed;
};

static void *enter_next(void *arg)
{
	struct late *late = arg;
	uint64_t kicks = 0;
	bool final;

	atomic_store(&late->comes, true);
	(void)rj_rounds_enter(&late->s->rounds, 1, &kicks, &final);
	late->was_armed = atomic_load(&late->armed);
	return NULL;
}

/* What is rearmed late would take with it what was written since. */
static void nobody_enters_before_what_was_claimed_is_rearmed(void **state)
{
	struct late late = { .s = *state };
	struct rj_rounds *rounds = &late.s->rounds;
	struct rj_claim claim;
	pthread_t thread;

	assert_int_equal(rj_rounds_rearm(rounds, NULL), 0);
	fill(late.s, 1, 7, 1);
	(void)rj_rounds_open(rounds, false);
	assert_int_equal(rj_rounds_claim(rounds, 0, 0, &claim, NULL), 1);
	assert_int_equal(rj_rounds_claim(rounds, 1, 0, &claim, NULL), 0);
	rj_rounds_leave(rounds, 1, 0);
	fill(late.s, 1, 7, 1);
	(void)rj_rounds_open(rounds, false);
	assert_int_equal(pthread_create(&thread, NULL, enter_next, &late), 0);
	while (!atomic_load(&late.comes))
		(void)sched_yield();
	/* Time to enter, for who does not wait. */
	(void)usleep(20000);
	atomic_store(&late.armed, true);
	rj_rounds_armed(rounds, 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(late.was_armed);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_worker_claims_what_was_filled_and_nothing_else),
		CASE(any_worker_can_claim_everything_alone),
		CASE(nobody_enters_before_what_was_claimed_is_rearmed),
		CASE(the_first_and_last_page_of_every_block_count),
		CASE(a_small_round_is_for_all_workers),
		CASE(a_part_takes_nothing_of_the_next_round_along),
		CASE(dirt_of_the_next_round_goes_with_its_chunk),
		CASE(nobody_fills_before_all_have_left_the_round_before_last),
		CASE(leaving_and_running_low_wake_the_control_thread),
		CASE(marks_wait_for_the_next_fill),
		CASE(the_final_round_is_the_last),
		CASE(a_straggler_learns_that_its_round_was_not_the_final_one),
		CASE(waiting_for_a_round_ends_when_something_happens),
		CASE(stopping_ends_waits_and_claims),
		CASE(a_kick_ends_the_wait_after_the_last_round),
		CASE(more_workers_than_chunks_are_no_trouble),
		CASE(each_node_has_its_chunks_claimed_by_its_own_workers),
	};

	return cmocka_run_group_tests_name("rounds", tests, NULL, NULL);
}
