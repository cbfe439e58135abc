/* SPDX-License-Identifier: BSD-3-Clause */
/* Orders in round 0 that others rely on, looked at in the one moment that tells
 * them from the wrong ones: where a lock is taken or given back. */
#include "tests/unit/cmocka_all.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "engine/link/event.h"
#include "engine/send/first_round.h"
#include "engine/send/rounds.h"

#define CHUNKS 8u /* one window */

static struct {
	struct rj_block block;
	struct rj_rounds rounds;
	struct rj_first_round first;
	int event_fd;
	bool stop_is_told;
	bool nobody_asks; /* though the frontier is at its end */
	/* The first look waits, in a thread of its own, until somebody else
	 * finds out whether anything is being asked. */
	bool holds;
	sem_t looking, go_on;
	pthread_t asker;
	pthread_t who_waits;
	bool waits;
} t;

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
void __real_rj_first_round_stop(struct rj_first_round *first);
void __wrap_rj_first_round_stop(struct rj_first_round *first);

/* From here on somebody may wake up. */
void __wrap_rj_first_round_stop(struct rj_first_round *first)
{
	t.stop_is_told = atomic_load(&t.rounds.stopped);
	__real_rj_first_round_stop(first);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	if (mutex == &t.first.lock.m && t.waits &&
	    pthread_equal(pthread_self(), t.who_waits)) {
		t.waits = false;
		(void)sem_post(&t.go_on);
		(void)pthread_join(t.asker, NULL);
	}
	return __real_pthread_mutex_lock(mutex);
}

/* From here on somebody may find the frontier at its end. */
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	const struct rj_frontier *frontier = t.first.frontiers;

	if (frontier && mutex == &frontier->lock.m &&
	    frontier->next == frontier->end && !t.first.asked &&
	    !t.first.asking)
		t.nobody_asks = true;
	return __real_pthread_mutex_unlock(mutex);
}

static int look(void *user, unsigned block, uint64_t first_page, uint64_t count,
		struct rj_bitmap *bm, struct ramjet_error *err)
{
	(void)user;
	(void)block;
	(void)err;
	if (t.holds) {
		(void)sem_post(&t.looking);
		(void)sem_wait(&t.go_on);
	}
	(void)rj_bitmap_set_run(bm, first_page, count);
	return 0;
}

static uint64_t peek(void *user, unsigned block, uint64_t first_page,
		     uint64_t count)
{
	(void)user;
	(void)block;
	(void)count;
	return first_page;
}

static void begin(unsigned workers)
{
	static const struct rj_first_round_ops ops = {
		.look = look,
		.peek = peek,
	};

	memset(&t, 0, sizeof(t));
	t.block.page_count = CHUNKS * RJ_CHUNK_PAGES;
	t.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(sem_init(&t.looking, 0, 0), 0);
	assert_int_equal(sem_init(&t.go_on, 0, 0), 0);
	assert_int_equal(rj_rounds_init(&t.rounds, &t.block, 1, workers,
					t.event_fd, NULL),
			 0);
	assert_int_equal(rj_rounds_set_homes(&t.rounds, 1, NULL), 0);
	assert_int_equal(rj_first_round_init(&t.first, t.rounds.placement,
					     t.rounds.maps[0], 1, &ops, NULL,
					     NULL),
			 0);
	rj_rounds_find_first(&t.rounds, &t.first);
	(void)rj_rounds_open(&t.rounds, false);
}

static void end(void)
{
	rj_first_round_done(&t.first);
	rj_rounds_done(&t.rounds);
	(void)sem_destroy(&t.looking);
	(void)sem_destroy(&t.go_on);
	(void)close(t.event_fd);
}

/* Else it would end the round with a fence. */
static void who_wakes_up_sees_the_stop(void **state)
{
	(void)state;
	begin(1);
	rj_rounds_stop(&t.rounds);
	assert_true(t.stop_is_told);
	end();
}

/* Else he would take the round for complete. */
static void who_finds_the_end_knows_that_somebody_asks(void **state)
{
	struct rj_first_chunk chunk;

	(void)state;
	begin(1);
	assert_int_equal(rj_first_round_next(&t.first, 0, &chunk, NULL), 1);
	assert_int_equal(t.first.asked, 1);
	assert_false(t.nobody_asks);
	end();
}

static void *ask(void *arg)
{
	struct rj_first_chunk chunk;

	(void)arg;
	return rj_first_round_next(&t.first, 0, &chunk, NULL) == 1 ? &t : NULL;
}

/* The last window is there just when the other finds that nothing is asked any
 * more: he must look for it once again. */
static void what_comes_at_the_last_moment_is_not_overlooked(void **state)
{
	struct rj_first_chunk chunk;

	(void)state;
	begin(2);
	t.holds = true;
	t.who_waits = pthread_self();
	assert_int_equal(pthread_create(&t.asker, NULL, ask, NULL), 0);
	assert_int_equal(sem_wait(&t.looking), 0);
	t.waits = true;
	assert_int_equal(rj_first_round_next(&t.first, 1, &chunk, NULL), 1);
	assert_false(t.waits);
	assert_int_equal(chunk.chunk, 1);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_wakes_up_sees_the_stop),
		cmocka_unit_test(who_finds_the_end_knows_that_somebody_asks),
		cmocka_unit_test(
			what_comes_at_the_last_moment_is_not_overlooked),
	};

	return cmocka_run_group_tests_name("first_round_order", tests, NULL,
					   NULL);
}
