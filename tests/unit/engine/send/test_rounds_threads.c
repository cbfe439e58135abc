/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rounds against a model: workers claim while a control thread fills and opens
 * and others mark. Every page counts how often it was written; a claimer notes
 * the count it would have read. Whatever the threads' order:
 *
 *   - at the end every page was claimed after its last write;
 *   - no page is claimed twice in a round, or more often than it was marked;
 *   - what is filled for round r + 1 is never claimed in r - 1;
 *   - nobody waits for ever, however many are told to rest.
 *
 * Also with hot pages held back, collects within a round, and pages skipped that
 * the next round has already.
 */
#include "tests/unit/cmocka_all.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/link/event.h"
#include "engine/send/rounds.h"
#include "util/bits.h"

#define ROUNDS      60u
#define BLOCKS      3u
#define PAGES       (700u + 1u + 2600u)
#define WORKERS_MAX 7u
#define MARKERS     2u

struct page {
	_Atomic uint32_t writes;
	_Atomic uint32_t seen; /* the newest write a claimer saw */
	_Atomic uint32_t claims;
	_Atomic uint32_t filled_for; /* the latest round it was filled for */
	_Atomic uint8_t claimed_in[ROUNDS];
};

struct model {
	struct rj_block blocks[BLOCKS];
	unsigned base[BLOCKS]; /* index of a block's first page */
	struct rj_rounds rounds;
	int event_fd;
	unsigned workers;
	bool some_rest; /* the number of active workers keeps changing */
	bool hot_last;
	atomic_bool enough; /* markers, stop */
	atomic_uint twice, early, unmarked;
	struct page pages[PAGES];
};

struct actor {
	struct model *model;
	unsigned index;
	pthread_t thread;
};

/* Small, seeded, a stream an actor. */
static uint32_t draw(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void note_claim(struct model *m, uint32_t round,
		       const struct rj_claim *claim, unsigned bit)
{
	struct page *page =
		&m->pages[m->base[claim->block] + claim->first_page + bit];
	const uint32_t writes = atomic_load(&page->writes);
	uint32_t seen = atomic_load(&page->seen);

	while (seen < writes &&
	       !atomic_compare_exchange_weak(&page->seen, &seen, writes))
		;
	if (atomic_fetch_add(&page->claimed_in[round], 1))
		atomic_fetch_add(&m->twice, 1);
	if (atomic_load(&page->filled_for) > round + 1)
		atomic_fetch_add(&m->early, 1);
	/* Loaded anew: a claim of the next round may have overtaken us. */
	if (atomic_fetch_add(&page->claims, 1) >= atomic_load(&page->writes))
		atomic_fetch_add(&m->unmarked, 1);
}

/* As engine/send/sender.c does it. */
static bool claim_next(struct actor *me, uint32_t round, struct rj_claim *ret)
{
	struct rj_rounds *rounds = &me->model->rounds;

	while (me->index >= rj_rounds_active(rounds))
		if (!rj_rounds_rest(rounds, me->index, round))
			return false;
	if (rj_rounds_claim(rounds, me->index, round, ret, NULL))
		return true;
	rj_rounds_exhausted(rounds, round);
	return false;
}

static void *run_worker(void *user)
{
	struct actor *me = user;
	struct model *m = me->model;
	struct rj_claim claim;
	uint64_t kicks = 0;
	uint32_t round = 0;
	bool final;

	for (;;) {
		const enum rj_enter entered =
			rj_rounds_enter(&m->rounds, round, &kicks, &final);

		if (entered == RJ_ENTER_KICKED)
			continue;
		if (entered != RJ_ENTER_OPEN)
			return NULL;
		while (claim_next(me, round, &claim))
			for (unsigned i = 0; i < RJ_CHUNK_PAGES; i++)
				if (claim.words[i / RJ_WORD_BITS] >>
					    i % RJ_WORD_BITS &
				    1)
					note_claim(m, round, &claim, i);
		rj_rounds_leave(&m->rounds, me->index, round++);
	}
}

static void *run_marker(void *user)
{
	struct actor *me = user;
	struct model *m = me->model;
	uint32_t seed = 77 + me->index;

	while (!atomic_load(&m->enough)) {
		const unsigned block = draw(&seed) % BLOCKS;
		const uint64_t page = draw(&seed) % m->blocks[block].page_count;

		atomic_fetch_add(&m->pages[m->base[block] + page].writes, 1);
		rj_told_mark(&m->rounds.told, block, page, 1);
		rj_rounds_kick(&m->rounds);
	}
	return NULL;
}

/* What was found is for this round, or waits. */
static uint64_t sort(struct model *m, bool final, uint32_t *seed)
{
	struct rj_bitmap *const *next = rj_rounds_sink(&m->rounds);
	const struct rj_heat_rules rules = {
		.room_pages = draw(seed) % 200,
		.blind = draw(seed) % 4 == 0,
	};
	uint64_t due = rj_heat_sort(&m->rounds.heat, next, &rules).due;

	if (final || draw(seed) % 20 == 0)
		due += rj_heat_release(&m->rounds.heat, next);
	return due;
}

static unsigned draw_page(const struct model *m, unsigned block, uint32_t *seed)
{
	const unsigned pages = (unsigned)m->blocks[block].page_count;
	const bool hot = m->hot_last && draw(seed) % 4;

	return draw(seed) % (hot && pages > 90 ? 90 : pages);
}

static void fill(struct model *m, uint32_t round, uint32_t *seed)
{
	struct rj_bitmap *const *maps =
		m->hot_last ? m->rounds.heat.sinks : rj_rounds_sink(&m->rounds);
	uint64_t marked = 0;

	for (unsigned i = draw(seed) % 800; i > 0; i--) {
		const unsigned block = draw(seed) % BLOCKS;
		const uint64_t number = draw_page(m, block, seed);
		struct page *page = &m->pages[m->base[block] + number];

		atomic_store(&page->filled_for, round);
		atomic_fetch_add(&page->writes, 1);
		marked += rj_bitmap_set_run(maps[block], number, 1);
	}
	if (m->hot_last)
		marked = sort(m, round == ROUNDS - 1, seed);
	rj_rounds_filled(&m->rounds, marked);
}

static void await_can_fill(struct model *m, uint32_t *seed)
{
	while (!rj_rounds_can_fill(&m->rounds)) {
		struct pollfd fd = { .fd = m->event_fd, .events = POLLIN };

		if (m->some_rest)
			rj_rounds_set_active(&m->rounds,
					     1 + draw(seed) % m->workers);
		assert_int_equal(poll(&fd, 1, 60000), 1);
		rj_event_clear(m->event_fd);
	}
}

static void control(struct model *m, struct actor *markers)
{
	uint32_t seed = 4711 + m->workers;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		const bool final = round == ROUNDS - 1;

		await_can_fill(m, &seed);
		if (final) {
			/* As the guest stops before the last fill. */
			atomic_store(&m->enough, true);
			for (unsigned i = 0; i < MARKERS; i++)
				pthread_join(markers[i].thread, NULL);
		}
		fill(m, round, &seed);
		/* Collects within the round before. */
		for (unsigned i = m->hot_last ? draw(&seed) % 3 : 0; i > 0; i--)
			fill(m, round, &seed);
		assert_int_equal(rj_rounds_open(&m->rounds, final), round);
	}
}

static struct model *new_model(unsigned workers, bool some_rest, bool hot_last)
{
	static const unsigned page_counts[BLOCKS] = { 700, 1, 2600 };
	struct model *m = calloc(1, sizeof(*m));
	unsigned base = 0;

	assert_non_null(m);
	for (unsigned i = 0; i < BLOCKS; i++) {
		m->blocks[i].page_count = page_counts[i];
		m->base[i] = base;
		base += page_counts[i];
	}
	m->workers = workers;
	m->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(rj_rounds_init(&m->rounds, m->blocks, BLOCKS, workers,
					m->event_fd, NULL),
			 0);
	m->some_rest = some_rest;
	m->hot_last = hot_last;
	if (hot_last)
		assert_int_equal(rj_rounds_hold_back(&m->rounds, true, NULL),
				 0);
	if (some_rest) {
		/* Every second round is one to rest in. */
		m->rounds.long_pages = 400;
		assert_int_equal(
			rj_rounds_set_homes(&m->rounds, workers / 2, NULL), 0);
		rj_rounds_set_active(&m->rounds, workers / 2);
	}
	return m;
}

static void check(struct model *m)
{
	unsigned lost = 0;

	for (unsigned i = 0; i < PAGES; i++)
		lost += atomic_load(&m->pages[i].seen) !=
			atomic_load(&m->pages[i].writes);
	assert_int_equal(lost, 0);
	assert_int_equal(m->twice, 0);
	assert_int_equal(m->early, 0);
	assert_int_equal(m->unmarked, 0);
	assert_int_equal(rj_rounds_remaining(&m->rounds), 0);
	assert_true(rj_rounds_all_left(&m->rounds));
}

static void run(unsigned workers, bool some_rest, bool hot_last)
{
	struct model *m = new_model(workers, some_rest, hot_last);
	struct actor claimers[WORKERS_MAX], markers[MARKERS];

	for (unsigned i = 0; i < workers; i++) {
		claimers[i] = (struct actor){ .model = m, .index = i };
		assert_int_equal(pthread_create(&claimers[i].thread, NULL,
						run_worker, &claimers[i]),
				 0);
	}
	for (unsigned i = 0; i < MARKERS; i++) {
		markers[i] = (struct actor){ .model = m, .index = i };
		assert_int_equal(pthread_create(&markers[i].thread, NULL,
						run_marker, &markers[i]),
				 0);
	}
	control(m, markers);
	for (unsigned i = 0; i < workers; i++)
		assert_int_equal(pthread_join(claimers[i].thread, NULL), 0);
	check(m);
	rj_rounds_done(&m->rounds);
	(void)close(m->event_fd);
	free(m);
}

static void one_worker_loses_and_repeats_nothing(void **state)
{
	(void)state;
	run(1, false, false);
}

static void two_workers_lose_and_repeat_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		run(2, false, false);
}

static void many_workers_lose_and_repeat_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		run(WORKERS_MAX, false, false);
}

static void workers_told_to_rest_and_to_work_lose_and_repeat_nothing(
	void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		run(WORKERS_MAX, true, false);
}

static void hot_pages_go_last_and_none_is_lost(void **state)
{
	(void)state;
	run(1, false, true);
	for (unsigned i = 0; i < 3; i++) {
		run(2, false, true);
		run(WORKERS_MAX, i, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker_loses_and_repeats_nothing),
		cmocka_unit_test(two_workers_lose_and_repeat_nothing),
		cmocka_unit_test(many_workers_lose_and_repeat_nothing),
		cmocka_unit_test(
			workers_told_to_rest_and_to_work_lose_and_repeat_nothing),
		cmocka_unit_test(hot_pages_go_last_and_none_is_lost),
	};

	return cmocka_run_group_tests_name("rounds_threads", tests, NULL, NULL);
}
