/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Round 0 of a memory that is asked while it is sent, against what is really in
 * it: each page is armed once before it is looked at, and each populated one is
 * claimed once after that, whoever asks, claims, fails or stops meanwhile.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/send/first_round.h"
#include "engine/send/rounds.h"
#include "util/error.h"

#define BLOCKS      3u
#define WORKERS_MAX 5u
#define MIB         (UINT64_C(1) << 20)
#define WINDOW      (16 * MIB / RAMJET_PAGE_BYTES)
#define EMPTY       (1024 * MIB / RAMJET_PAGE_BYTES)

struct memory {
	struct rj_block blocks[BLOCKS];
	unsigned block_count;
	struct rj_rounds rounds;
	struct rj_first_round first;
	/* What is in it. */
	bool (*is_populated)(unsigned block, uint64_t page);
	/* Of each page, where it is small enough; else NULL. */
	_Atomic uint8_t *armed[BLOCKS], *looked[BLOCKS], *claimed[BLOCKS];
	_Atomic uint64_t calls, largest, wrong, held;
	/* Fault injection, at the first page of a window of block 0. */
	uint64_t fail_arm_at, fail_look_at, hold_at;
	sem_t holding, go_on;
};

static bool everything(unsigned block, uint64_t page)
{
	(void)block;
	(void)page;
	return true;
}

static bool nothing(unsigned block, uint64_t page)
{
	(void)block;
	(void)page;
	return false;
}

/* Stretches of all sizes, and pages of their own. */
static bool mixed(unsigned block, uint64_t page)
{
	const uint64_t x = (page >> 9) + block;

	return page % 4099 == 17 || (x / 13 % 3 == 1 && x % 5 != 2);
}

static bool first_page_of_each_tib(unsigned block, uint64_t page)
{
	(void)block;
	return page % (UINT64_C(1) << 28) == 0;
}

static void note(struct memory *m, _Atomic uint8_t *const map[BLOCKS],
		 unsigned block, uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; map[block] && i < count; i++)
		if (atomic_fetch_add(&map[block][first + i], 1))
			atomic_fetch_add(&m->wrong, 1);
}

static int arm(void *user, unsigned block, uint64_t first, uint64_t count,
	       struct ramjet_error *err)
{
	struct memory *m = user;

	if (!block && first == m->fail_arm_at)
		return rj_fail(err, -EIO, "arm failed");
	note(m, m->armed, block, first, count);
	return 0;
}

static uint64_t peek(void *user, unsigned block, uint64_t first, uint64_t count)
{
	struct memory *m = user;
	/* Where pages are few, they begin a TiB: no need to try each. */
	const uint64_t step = m->armed[block] ? 1 : 512;

	for (uint64_t i = 0; i < count; i += step)
		if (m->is_populated(block, first + i))
			return first + i;
	return first + count;
}

static int look(void *user, unsigned block, uint64_t first, uint64_t count,
		struct rj_bitmap *bm, struct ramjet_error *err)
{
	struct memory *m = user;
	const uint64_t step = m->armed[block] ? 1 : 512;
	uint64_t largest = atomic_load(&m->largest);

	atomic_fetch_add(&m->calls, 1);
	while (largest < count &&
	       !atomic_compare_exchange_weak(&m->largest, &largest, count))
		;
	if (!block && first == m->fail_look_at)
		return rj_fail(err, -EIO, "look failed");
	if (!block && first == m->hold_at) {
		(void)sem_post(&m->holding);
		(void)sem_wait(&m->go_on);
	}
	note(m, m->looked, block, first, count);
	for (uint64_t i = first; i < first + count; i += step) {
		if (m->armed[block] && !atomic_load(&m->armed[block][i]))
			atomic_fetch_add(&m->wrong, 1);
		if (m->is_populated(block, i))
			(void)rj_bitmap_set_run(bm, i, 1);
	}
	return 0;
}

static void found(void *user, unsigned block, uint64_t count, uint64_t held)
{
	struct memory *m = user;

	(void)block;
	if (held > count)
		atomic_fetch_add(&m->wrong, 1);
	atomic_fetch_add(&m->held, held);
}

static const struct rj_first_round_ops ops = {
	.arm = arm,
	.look = look,
	.peek = peek,
	.found = found,
};

static struct memory memory;

static void done(struct memory *m)
{
	rj_first_round_done(&m->first);
	rj_rounds_done(&m->rounds);
	for (unsigned i = 0; i < m->block_count; i++) {
		free((void *)m->armed[i]);
		free((void *)m->looked[i]);
		free((void *)m->claimed[i]);
	}
	(void)sem_destroy(&m->holding);
	(void)sem_destroy(&m->go_on);
}

static struct memory *make(const uint64_t *pages, unsigned count,
			   unsigned workers, unsigned homes,
			   bool (*is_populated)(unsigned, uint64_t))
{
	struct memory *m = &memory;

	memset(m, 0, sizeof(*m));
	m->block_count = count;
	m->is_populated = is_populated;
	m->fail_arm_at = m->fail_look_at = m->hold_at = UINT64_MAX;
	assert_int_equal(sem_init(&m->holding, 0, 0), 0);
	assert_int_equal(sem_init(&m->go_on, 0, 0), 0);
	for (unsigned i = 0; i < count; i++) {
		m->blocks[i].page_count = pages[i];
		if (pages[i] > (UINT64_C(1) << 24))
			continue;
		m->armed[i] = calloc(pages[i], 1);
		m->looked[i] = calloc(pages[i], 1);
		m->claimed[i] = calloc(pages[i], 1);
		assert_true(m->armed[i] && m->looked[i] && m->claimed[i]);
	}
	assert_int_equal(
		rj_rounds_init(&m->rounds, m->blocks, count, workers, -1, NULL),
		0);
	assert_int_equal(rj_rounds_set_homes(&m->rounds, homes, NULL), 0);
	return m;
}

/* What was marked by now is in round 0. */
static void begin(struct memory *m)
{
	(void)rj_rounds_sink(&m->rounds);
	assert_int_equal(rj_first_round_init(&m->first, m->rounds.placement,
					     m->rounds.maps[0], m->block_count,
					     &ops, m, NULL),
			 0);
	rj_rounds_find_first(&m->rounds, &m->first);
	(void)rj_rounds_open(&m->rounds, false);
}

static void note_claim(struct memory *m, const struct rj_claim *claim)
{
	uint64_t from = 0;
	struct rj_run run;

	while ((run = rj_words_next_run(claim->words, RJ_CHUNK_PAGES, from))
		       .count) {
		from = run.first + run.count;
		note(m, m->claimed, claim->block, claim->first_page + run.first,
		     run.count);
	}
}

struct worker {
	struct memory *m;
	unsigned index;
	pthread_t thread;
	int rc;
	unsigned claims;
	struct ramjet_error err;
};

static void *work(void *user)
{
	struct worker *w = user;
	struct rj_claim claim;

	while ((w->rc = rj_rounds_claim(&w->m->rounds, w->index, 0, &claim,
					&w->err)) > 0) {
		w->claims++;
		note_claim(w->m, &claim);
	}
	/* Nobody leaves before all is known. */
	if (!w->rc && !atomic_load(&w->m->rounds.stopped) &&
	    !rj_rounds_all_found(&w->m->rounds))
		atomic_fetch_add(&w->m->wrong, 1);
	return NULL;
}

static void start(struct memory *m, struct worker *w, unsigned index)
{
	*w = (struct worker){ .m = m, .index = index };
	assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
}

static void join(struct worker *w)
{
	assert_int_equal(pthread_join(w->thread, NULL), 0);
}

static void check_all(struct memory *m)
{
	uint64_t populated = 0, pages = 0;

	assert_int_equal(m->wrong, 0);
	for (unsigned i = 0; i < m->block_count; i++)
		for (uint64_t p = 0; p < m->blocks[i].page_count; p++) {
			assert_int_equal(m->armed[i][p], 1);
			assert_int_equal(m->looked[i][p], 1);
			assert_int_equal(m->claimed[i][p],
					 m->is_populated(i, p));
			populated += m->is_populated(i, p);
			pages++;
		}
	assert_true(rj_rounds_all_found(&m->rounds));
	assert_int_equal(rj_rounds_remaining(&m->rounds), 0);
	assert_int_equal(m->held, populated);
	assert_int_equal(rj_first_round_empty(&m->first), pages - populated);
}

/* No multiples of a chunk among them, nor of a window. */
static const uint64_t sizes[BLOCKS] = { 700, 1, 1234567 };

static void every_page_is_found_and_claimed_once(void **state)
{
	static const unsigned with[][2] = {
		{ 1, 1 }, { 2, 2 }, { 5, 5 }, { 5, 2 }, { 3, 1 },
	};
	static bool (*const content[])(unsigned, uint64_t) = {
		everything,
		nothing,
		mixed,
	};

	(void)state;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(with); i++)
		for (unsigned k = 0; k < RJ_ARRAY_SIZE(content); k++) {
			struct worker workers[WORKERS_MAX];
			struct memory *m = make(sizes, BLOCKS, with[i][0],
						with[i][1], content[k]);

			begin(m);
			for (unsigned w = 0; w < with[i][0]; w++)
				start(m, &workers[w], w);
			for (unsigned w = 0; w < with[i][0]; w++) {
				join(&workers[w]);
				assert_int_equal(workers[w].rc, 0);
			}
			check_all(m);
			done(m);
		}
}

static void the_first_claim_asks_for_one_window(void **state)
{
	const uint64_t pages = UINT64_C(1) << 20;
	struct rj_claim claim;
	struct memory *m = make(&pages, 1, 2, 2, everything);

	(void)state;
	begin(m);
	assert_int_equal(rj_rounds_open_pages(&m->rounds), pages);
	assert_int_equal(rj_rounds_claim(&m->rounds, 1, 0, &claim, NULL), 1);
	assert_int_equal(m->calls, 1);
	assert_int_equal(m->largest, WINDOW);
	/* In its own home. */
	assert_int_equal(claim.first_page, pages / 2);
	assert_int_equal(rj_first_round_unasked(&m->first), pages - WINDOW);
	assert_int_equal(rj_rounds_open_pages(&m->rounds),
			 pages - RJ_CHUNK_PAGES);
	assert_false(rj_rounds_all_found(&m->rounds));
	done(m);
}

/* How many calls, not how long: that would depend on the machine. */
static void twelve_tib_of_nothing_are_asked_in_large_windows(void **state)
{
	const uint64_t pages = (UINT64_C(12) << 40) / RAMJET_PAGE_BYTES;
	struct rj_claim claim;
	struct memory *m = make(&pages, 1, 1, 1, first_page_of_each_tib);
	unsigned claims = 0;

	(void)state;
	begin(m);
	while (rj_rounds_claim(&m->rounds, 0, 0, &claim, NULL) > 0) {
		assert_int_equal(claim.pages, 1);
		claims++;
	}
	assert_int_equal(claims, 12);
	assert_int_equal(m->largest, EMPTY);
	assert_true(m->calls <= 12 * 1024 + 2 * 12);
	assert_int_equal(rj_first_round_empty(&m->first), pages - 12);
	assert_int_equal(rj_rounds_remaining(&m->rounds), 0);
	done(m);
}

static bool from_300_mib_on(unsigned block, uint64_t page)
{
	(void)block;
	return page >= 300 * MIB / RAMJET_PAGE_BYTES + 5;
}

static void an_empty_window_ends_where_something_begins(void **state)
{
	const uint64_t pages = EMPTY;
	struct rj_claim claim;
	struct memory *m = make(&pages, 1, 1, 1, from_300_mib_on);

	(void)state;
	begin(m);
	assert_int_equal(rj_rounds_claim(&m->rounds, 0, 0, &claim, NULL), 1);
	assert_int_equal(m->calls, 2);
	assert_int_equal(m->largest, 300 * MIB / RAMJET_PAGE_BYTES);
	assert_int_equal(rj_first_round_unasked(&m->first),
			 pages - m->largest - WINDOW);
	done(m);
}

/* Two workers; the first is in the middle of asking for the last window. */
static struct memory *hold_the_last(struct worker workers[2], uint64_t pages)
{
	struct memory *m = make(&pages, 1, 2, 1, everything);

	m->hold_at = pages - WINDOW;
	begin(m);
	start(m, &workers[0], 0);
	assert_int_equal(sem_wait(&m->holding), 0);
	start(m, &workers[1], 1);
	return m;
}

static void who_has_nothing_left_waits_for_who_asks(void **state)
{
	struct worker workers[2];
	struct memory *m = hold_the_last(workers, 4 * WINDOW);

	(void)state;
	assert_false(rj_rounds_all_found(&m->rounds));
	assert_int_equal(sem_post(&m->go_on), 0);
	join(&workers[0]);
	join(&workers[1]);
	check_all(m);
	done(m);
}

static void a_stop_ends_the_wait(void **state)
{
	struct worker workers[2];
	struct memory *m = hold_the_last(workers, 4 * WINDOW);

	(void)state;
	rj_rounds_stop(&m->rounds);
	join(&workers[1]);
	assert_int_equal(workers[1].rc, 0);
	assert_int_equal(sem_post(&m->go_on), 0);
	join(&workers[0]);
	assert_int_equal(workers[0].rc, 0);
	/* What was asked last was not handed out any more. */
	assert_int_equal(m->claimed[0][3 * WINDOW], 0);
	assert_int_equal(m->wrong, 0);
	done(m);
}

static void fail_at(bool arming)
{
	const uint64_t pages = 4 * WINDOW;
	struct worker workers[2];
	struct memory *m = make(&pages, 1, 2, 1, everything);

	*(arming ? &m->fail_arm_at : &m->fail_look_at) = 3 * WINDOW;
	begin(m);
	start(m, &workers[0], 0);
	join(&workers[0]);
	assert_int_equal(workers[0].rc, -EIO);
	assert_non_null(strstr(workers[0].err.message,
			       arming ? "arm failed" : "look failed"));
	/* What is missing is not there: nobody may take the round for
	 * complete. */
	start(m, &workers[1], 1);
	assert_false(rj_rounds_all_found(&m->rounds));
	rj_rounds_stop(&m->rounds);
	join(&workers[1]);
	assert_int_equal(workers[1].rc, 0);
	assert_int_equal(workers[0].claims + workers[1].claims,
			 3 * WINDOW / RJ_CHUNK_PAGES);
	assert_int_equal(m->wrong, 0);
	done(m);
}

static void what_fails_is_not_taken_for_complete(void **state)
{
	(void)state;
	fail_at(true);
	fail_at(false);
}

static void a_window_is_finished_by_the_others(void **state)
{
	const uint64_t pages = WINDOW;
	struct worker worker;
	struct rj_claim claim;
	struct memory *m = make(&pages, 1, 2, 1, everything);

	(void)state;
	begin(m);
	/* Told to rest, or stuck: it holds the only window. */
	assert_int_equal(rj_rounds_claim(&m->rounds, 0, 0, &claim, NULL), 1);
	note_claim(m, &claim);
	start(m, &worker, 1);
	join(&worker);
	assert_int_equal(worker.claims, WINDOW / RJ_CHUNK_PAGES - 1);
	check_all(m);
	done(m);
}

/* However few pages are left for each: it is handed out once. */
static void a_chunk_is_handed_out_as_a_whole(void **state)
{
	const uint64_t pages = RJ_CHUNK_PAGES;
	struct rj_claim claim;
	struct memory *m = make(&pages, 1, 5, 5, everything);

	(void)state;
	begin(m);
	assert_int_equal(rj_rounds_claim(&m->rounds, 0, 0, &claim, NULL), 1);
	assert_int_equal(claim.pages, pages);
	note_claim(m, &claim);
	assert_int_equal(rj_rounds_claim(&m->rounds, 1, 0, &claim, NULL), 0);
	check_all(m);
	done(m);
}

/* ---- what the VMM tells ---------------------------------------------------- */

static void a_mark_from_before_comes_with_its_window(void **state)
{
	const uint64_t pages = 4 * EMPTY;
	struct rj_claim claim;
	struct memory *m = make(&pages, 1, 1, 1, nothing);

	(void)state;
	rj_told_discard(&m->rounds.told, 0, 3 * EMPTY + 7, 2);
	begin(m);
	assert_int_equal(rj_rounds_claim(&m->rounds, 0, 0, &claim, NULL), 1);
	assert_int_equal(claim.first_page, 3 * EMPTY);
	assert_int_equal(claim.pages, 2);
	assert_int_equal(rj_rounds_claim(&m->rounds, 0, 0, &claim, NULL), 0);
	assert_int_equal(rj_rounds_remaining(&m->rounds), 0);
	assert_int_equal(rj_first_round_empty(&m->first), pages - 2);
	done(m);
}

/* Of memory that was not asked yet, and turns out empty or not. */
static void a_mark_from_meanwhile_comes_in_the_next_round(void **state)
{
	const uint64_t pages = EMPTY;
	struct rj_claim claim;
	struct memory *m = make(&pages, 1, 1, 1, nothing);
	uint32_t round;

	(void)state;
	begin(m);
	rj_told_discard(&m->rounds.told, 0, EMPTY - 1, 1);
	assert_true(rj_told_has_marks(&m->rounds.told));
	assert_int_equal(rj_rounds_claim(&m->rounds, 0, 0, &claim, NULL), 0);
	assert_true(rj_rounds_can_fill(&m->rounds));
	(void)rj_rounds_sink(&m->rounds);
	round = rj_rounds_open(&m->rounds, false);
	assert_int_equal(rj_rounds_claim(&m->rounds, 0, round, &claim, NULL),
			 1);
	assert_int_equal(claim.first_page, EMPTY - RJ_CHUNK_PAGES);
	assert_int_equal(claim.pages, 1);
	assert_int_equal(rj_rounds_remaining(&m->rounds), 0);
	done(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_page_is_found_and_claimed_once),
		cmocka_unit_test(the_first_claim_asks_for_one_window),
		cmocka_unit_test(
			twelve_tib_of_nothing_are_asked_in_large_windows),
		cmocka_unit_test(an_empty_window_ends_where_something_begins),
		cmocka_unit_test(who_has_nothing_left_waits_for_who_asks),
		cmocka_unit_test(a_stop_ends_the_wait),
		cmocka_unit_test(what_fails_is_not_taken_for_complete),
		cmocka_unit_test(a_window_is_finished_by_the_others),
		cmocka_unit_test(a_chunk_is_handed_out_as_a_whole),
		cmocka_unit_test(a_mark_from_before_comes_with_its_window),
		cmocka_unit_test(a_mark_from_meanwhile_comes_in_the_next_round),
	};

	return cmocka_run_group_tests_name("first_round", tests, NULL, NULL);
}
