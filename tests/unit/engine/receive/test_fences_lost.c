/* SPDX-License-Identifier: BSD-3-Clause */
/* Lanes that leave the fences, and return: every order of fences, losses, BACK
 * and returns. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "engine/link/event.h"
#include "engine/receive/fences.h"

#define LANES 3u

/* A lane that brings one fence. */
struct lane {
	struct rj_fences *fences;
	unsigned index;
	uint32_t round;
	bool final, over;
	int rc;
	struct ramjet_error err;
	bool started;
	pthread_t thread;
};

struct scene {
	struct rj_fences fences;
	struct lane lanes[LANES];
	int event_fd;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	rj_fences_init(&s->fences, LANES, s->event_fd);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_fences_stop(&s->fences);
	for (unsigned i = 0; i < LANES; i++)
		if (s->lanes[i].started)
			(void)pthread_join(s->lanes[i].thread, NULL);
	rj_fences_done(&s->fences);
	(void)close(s->event_fd);
	free(s);
	return 0;
}

static void *run_lane(void *user)
{
	struct lane *lane = user;

	lane->rc = rj_fences_arrive(lane->fences, lane->index, lane->round,
				    lane->final, &lane->over, &lane->err);
	return NULL;
}

static uint32_t applied(struct scene *s)
{
	bool final;

	return rj_fences_applied(&s->fences, &final);
}

static bool is_final(struct scene *s)
{
	bool final;

	(void)rj_fences_applied(&s->fences, &final);
	return final;
}

static void go(struct scene *s, unsigned index, uint32_t round, bool final)
{
	struct lane *lane = &s->lanes[index];

	assert_false(lane->started);
	*lane = (struct lane){
		.fences = &s->fences,
		.index = index,
		.round = round,
		.final = final,
		.over = !final,
		.started = true,
	};
	assert_int_equal(pthread_create(&lane->thread, NULL, run_lane, lane),
			 0);
}

/* It waits there for others. */
static void wait_at(struct scene *s, unsigned index, uint32_t round, bool final)
{
	go(s, index, round, final);
	while (!rj_fences_waits(&s->fences, index))
		(void)sched_yield();
}

/* It has come through, or not. */
static void expect(struct scene *s, unsigned index, int rc, bool over)
{
	struct lane *lane = &s->lanes[index];

	assert_true(lane->started);
	assert_int_equal(pthread_join(lane->thread, NULL), 0);
	lane->started = false;
	assert_int_equal(lane->rc, rc);
	if (!rc)
		assert_int_equal(lane->over, over);
}

static void pass(struct scene *s, unsigned index, uint32_t round, bool over)
{
	go(s, index, round, over);
	expect(s, index, 0, over);
}

/* Its fence is a final one, and the round is not. */
static void pass_void(struct scene *s, unsigned index, uint32_t round)
{
	go(s, index, round, true);
	expect(s, index, 0, false);
}

static void lose(struct scene *s, unsigned index)
{
	rj_fences_leave(&s->fences, index);
	if (s->lanes[index].started)
		expect(s, index, -ECANCELED, false);
	assert_true(rj_fences_lose(&s->fences, index));
}

static void settle(struct scene *s, uint32_t round)
{
	assert_int_equal(rj_fences_settle(&s->fences, round, NULL), 0);
}

static void join_at(struct scene *s, unsigned index, uint32_t round)
{
	uint32_t first = UINT32_MAX;

	assert_int_equal(rj_fences_join(&s->fences, index, &first), 0);
	assert_int_equal(first, round);
}

/* ---- ordinary rounds ---------------------------------------------------- */

static void a_lost_lane_is_not_waited_for(void **state)
{
	struct scene *s = *state;

	wait_at(s, 0, 0, false);
	wait_at(s, 1, 0, false);
	assert_int_equal(applied(s), 0);
	rj_event_clear(s->event_fd);
	lose(s, 2);
	expect(s, 0, 0, false);
	expect(s, 1, 0, false);
	assert_int_equal(applied(s), 1);
	assert_int_equal(rj_fences_present(&s->fences), 2);
	/* Nor before BACK in the rounds that follow. */
	wait_at(s, 0, 1, false);
	pass(s, 1, 1, false);
	expect(s, 0, 0, false);
	settle(s, 7);
	assert_int_equal(applied(s), 2);
}

static void a_lane_lost_at_a_fence_is_counted_once(void **state)
{
	struct scene *s = *state;

	wait_at(s, 2, 0, false);
	wait_at(s, 0, 0, false);
	lose(s, 2);
	assert_int_equal(applied(s), 0);
	assert_false(rj_fences_waits(&s->fences, 2));
	pass(s, 1, 0, false);
	expect(s, 0, 0, false);
	assert_int_equal(applied(s), 1);
	wait_at(s, 0, 1, false);
	pass(s, 1, 1, false);
	expect(s, 0, 0, false);
}

static void a_fence_counts_until_its_lane_is_lost(void **state)
{
	struct scene *s = *state;

	wait_at(s, 2, 0, false);
	rj_fences_leave(&s->fences, 2);
	expect(s, 2, -ECANCELED, false);
	wait_at(s, 0, 0, false);
	pass(s, 1, 0, false);
	expect(s, 0, 0, false);
	assert_int_equal(applied(s), 1);
	assert_true(rj_fences_lose(&s->fences, 2));
	assert_int_equal(applied(s), 1);
}

static void who_leaves_brings_no_further_fence(void **state)
{
	struct scene *s = *state;

	rj_fences_leave(&s->fences, 2);
	go(s, 2, 0, false);
	expect(s, 2, -ECANCELED, false);
	assert_false(rj_fences_waits(&s->fences, 2));
	assert_true(rj_fences_lose(&s->fences, 2));
}

static void with_no_lane_left_nothing_is_applied(void **state)
{
	struct scene *s = *state;

	wait_at(s, 0, 0, false);
	wait_at(s, 1, 0, false);
	lose(s, 0);
	lose(s, 1);
	lose(s, 2);
	assert_int_equal(applied(s), 0);
	assert_int_equal(rj_fences_present(&s->fences), 0);
	for (unsigned i = 0; i < LANES; i++)
		settle(s, 1);
	assert_int_equal(applied(s), 0);
	join_at(s, 1, 0);
	pass(s, 1, 0, false);
	pass(s, 1, 1, true);
	assert_true(is_final(s));
}

/* ---- the final round ---------------------------------------------------- */

static void a_final_round_waits_for_back_and_is_void_then(void **state)
{
	struct scene *s = *state;

	wait_at(s, 0, 0, true);
	wait_at(s, 1, 0, true);
	lose(s, 2);
	assert_int_equal(applied(s), 0);
	assert_true(rj_fences_waits(&s->fences, 0));
	settle(s, 1);
	expect(s, 0, 0, false);
	expect(s, 1, 0, false);
	assert_int_equal(applied(s), 1);
	assert_false(is_final(s));
	wait_at(s, 0, 1, true);
	pass(s, 1, 1, true);
	expect(s, 0, 0, true);
	assert_true(is_final(s));
}

static void the_same_with_fences_after_the_loss(void **state)
{
	struct scene *s = *state;

	lose(s, 2);
	wait_at(s, 0, 0, true);
	wait_at(s, 1, 0, true);
	assert_int_equal(applied(s), 0);
	settle(s, 1);
	expect(s, 0, 0, false);
	expect(s, 1, 0, false);
}

static void a_final_round_that_was_opened_after_back_stands(void **state)
{
	struct scene *s = *state;

	/* Its fences come before BACK does, on other connections. */
	lose(s, 2);
	wait_at(s, 0, 0, true);
	wait_at(s, 1, 0, true);
	settle(s, 0);
	expect(s, 0, 0, true);
	expect(s, 1, 0, true);
	assert_true(is_final(s));
}

static void final_fences_of_void_rounds_are_ordinary_ones(void **state)
{
	struct scene *s = *state;

	lose(s, 2);
	settle(s, 2);
	for (uint32_t round = 0; round < 2; round++) {
		wait_at(s, 0, round, true);
		/* They need not even agree. */
		go(s, 1, round, false);
		expect(s, 1, 0, false);
		expect(s, 0, 0, false);
	}
	assert_false(is_final(s));
	wait_at(s, 0, 2, true);
	go(s, 1, 2, false);
	expect(s, 1, -EPROTO, false);
	assert_int_equal(s->lanes[1].err.code, -EPROTO);
}

static void lanes_may_disagree_until_back_and_not_after(void **state)
{
	struct scene *s = *state;
	struct ramjet_error err = { 0 };

	wait_at(s, 0, 0, true);
	lose(s, 2);
	wait_at(s, 1, 0, false);
	assert_int_equal(applied(s), 0);
	assert_int_equal(rj_fences_settle(&s->fences, 0, &err), -EPROTO);
	assert_non_null(strstr(err.message, "disagree"));
	assert_int_equal(applied(s), 0);
}

static void the_same_and_the_round_is_void(void **state)
{
	struct scene *s = *state;

	wait_at(s, 0, 0, true);
	lose(s, 2);
	wait_at(s, 1, 0, false);
	settle(s, 1);
	expect(s, 0, 0, false);
	expect(s, 1, 0, false);
	assert_int_equal(applied(s), 1);
}

static void each_loss_has_to_be_answered(void **state)
{
	struct scene *s = *state;

	lose(s, 1);
	lose(s, 2);
	wait_at(s, 0, 0, true);
	settle(s, 0);
	assert_true(rj_fences_waits(&s->fences, 0));
	settle(s, 0);
	expect(s, 0, 0, true);
}

static void an_earlier_round_makes_nothing_good_again(void **state)
{
	struct scene *s = *state;

	lose(s, 1);
	lose(s, 2);
	settle(s, 2);
	/* Void already, whatever the other BACK says. */
	pass_void(s, 0, 0);
	settle(s, 0);
	pass_void(s, 0, 1);
	pass(s, 0, 2, true);
}

static void a_final_fence_goes_with_its_lane(void **state)
{
	struct scene *s = *state;

	wait_at(s, 2, 0, true);
	lose(s, 2);
	/* Those that are left bring ordinary ones: that is no final round. */
	wait_at(s, 0, 0, false);
	pass(s, 1, 0, false);
	expect(s, 0, 0, false);
	assert_int_equal(applied(s), 1);
}

static void after_the_final_round_a_loss_is_none(void **state)
{
	struct scene *s = *state;

	wait_at(s, 0, 0, true);
	wait_at(s, 1, 0, true);
	pass(s, 2, 0, true);
	expect(s, 0, 0, true);
	expect(s, 1, 0, true);
	rj_fences_leave(&s->fences, 1);
	assert_false(rj_fences_lose(&s->fences, 1));
	assert_int_equal(rj_fences_present(&s->fences), LANES);
	assert_true(is_final(s));
	assert_int_equal(applied(s), 1);
}

static void nobody_returns_after_the_final_round(void **state)
{
	struct scene *s = *state;
	uint32_t round;

	lose(s, 2);
	settle(s, 0);
	wait_at(s, 0, 0, true);
	pass(s, 1, 0, true);
	expect(s, 0, 0, true);
	assert_int_equal(rj_fences_join(&s->fences, 2, &round), -EALREADY);
}

/* ---- returning ---------------------------------------------------------- */

static void who_returns_counts_in_the_round_at_hand(void **state)
{
	struct scene *s = *state;

	lose(s, 2);
	settle(s, 1);
	wait_at(s, 0, 0, false);
	pass(s, 1, 0, false);
	expect(s, 0, 0, false);
	wait_at(s, 0, 1, false);
	join_at(s, 2, 1);
	wait_at(s, 1, 1, false);
	assert_int_equal(applied(s), 1);
	pass(s, 2, 1, false);
	expect(s, 0, 0, false);
	expect(s, 1, 0, false);
	assert_int_equal(applied(s), 2);
}

static void who_returns_does_so_to_a_final_round_that_is_held(void **state)
{
	struct scene *s = *state;

	lose(s, 2);
	settle(s, 0);
	lose(s, 1);
	wait_at(s, 0, 0, true);
	join_at(s, 2, 0);
	settle(s, 0);
	assert_int_equal(applied(s), 0);
	pass(s, 2, 0, true);
	expect(s, 0, 0, true);
}

static void a_lane_may_be_lost_again(void **state)
{
	struct scene *s = *state;

	for (uint32_t round = 0; round < 5; round++) {
		lose(s, 2);
		settle(s, round + 1);
		join_at(s, 2, round);
		wait_at(s, 0, round, false);
		wait_at(s, 2, round, false);
		pass(s, 1, round, false);
		expect(s, 0, 0, false);
		expect(s, 2, 0, false);
	}
	assert_int_equal(rj_fences_present(&s->fences), LANES);
}

/* ---- threads ------------------------------------------------------------ */

#define CROWD  4u
#define LOSSES 400u
#define GONE   UINT32_MAX

struct crowd {
	struct rj_fences fences;
	_Atomic uint32_t at[CROWD]; /* the round that it is in */
	_Atomic uint32_t last;      /* round, the final one */
	_Atomic bool overtook;
	struct member {
		struct crowd *crowd;
		unsigned index;
		int rc;
		bool over;
		pthread_t thread;
	} members[CROWD];
};

static void *run_member(void *user)
{
	struct member *m = user;
	struct crowd *c = m->crowd;
	uint32_t round = atomic_load(&c->at[m->index]);

	while (!m->over) {
		m->rc = rj_fences_arrive(&c->fences, m->index, round,
					 round == atomic_load(&c->last),
					 &m->over, NULL);
		if (m->rc)
			return NULL;
		for (unsigned i = 0; i < CROWD; i++)
			if (atomic_load(&c->at[i]) < round)
				atomic_store(&c->overtook, true);
		atomic_store(&c->at[m->index], ++round);
	}
	return NULL;
}

static void begin(struct crowd *c, unsigned index)
{
	struct member *m = &c->members[index];

	*m = (struct member){ .crowd = c, .index = index };
	assert_int_equal(pthread_create(&m->thread, NULL, run_member, m), 0);
}

static void lanes_come_and_go_and_nobody_overtakes(void **state)
{
	static struct crowd c;
	unsigned seed = 1;
	uint32_t round;
	bool final;

	(void)state;
	rj_fences_init(&c.fences, CROWD, -1);
	atomic_store(&c.last, UINT32_MAX);
	for (unsigned i = 0; i < CROWD; i++)
		begin(&c, i);
	for (unsigned loss = 0; loss < LOSSES; loss++) {
		const unsigned i = (unsigned)rand_r(&seed) % CROWD;
		struct member *m = &c.members[i];

		rj_fences_leave(&c.fences, i);
		assert_int_equal(pthread_join(m->thread, NULL), 0);
		assert_int_equal(m->rc, -ECANCELED);
		atomic_store(&c.at[i], GONE);
		assert_true(rj_fences_lose(&c.fences, i));
		assert_int_equal(rj_fences_settle(&c.fences, 0, NULL), 0);
		assert_int_equal(rj_fences_join(&c.fences, i, &round), 0);
		atomic_store(&c.at[i], round);
		begin(&c, i);
	}
	rj_fences_leave(&c.fences, 0);
	assert_int_equal(pthread_join(c.members[0].thread, NULL), 0);
	/* Without it they cannot go on: so all learn of the last round. */
	round = rj_fences_applied(&c.fences, &final);
	atomic_store(&c.last, round + 2);
	atomic_store(&c.at[0], GONE);
	assert_true(rj_fences_lose(&c.fences, 0));
	assert_int_equal(rj_fences_settle(&c.fences, 0, NULL), 0);
	for (unsigned i = 1; i < CROWD; i++) {
		assert_int_equal(pthread_join(c.members[i].thread, NULL), 0);
		assert_int_equal(c.members[i].rc, 0);
	}
	(void)rj_fences_applied(&c.fences, &final);
	assert_true(final);
	assert_false(atomic_load(&c.overtook));
	rj_fences_done(&c.fences);
}

int main(void)
{
#define LOST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		LOST(a_lost_lane_is_not_waited_for),
		LOST(a_lane_lost_at_a_fence_is_counted_once),
		LOST(a_fence_counts_until_its_lane_is_lost),
		LOST(who_leaves_brings_no_further_fence),
		LOST(with_no_lane_left_nothing_is_applied),
		LOST(a_final_round_waits_for_back_and_is_void_then),
		LOST(the_same_with_fences_after_the_loss),
		LOST(a_final_round_that_was_opened_after_back_stands),
		LOST(final_fences_of_void_rounds_are_ordinary_ones),
		LOST(lanes_may_disagree_until_back_and_not_after),
		LOST(the_same_and_the_round_is_void),
		LOST(each_loss_has_to_be_answered),
		LOST(an_earlier_round_makes_nothing_good_again),
		LOST(a_final_fence_goes_with_its_lane),
		LOST(after_the_final_round_a_loss_is_none),
		LOST(nobody_returns_after_the_final_round),
		LOST(who_returns_counts_in_the_round_at_hand),
		LOST(who_returns_does_so_to_a_final_round_that_is_held),
		LOST(a_lane_may_be_lost_again),
		cmocka_unit_test(lanes_come_and_go_and_nobody_overtakes),
	};

	return cmocka_run_group_tests_name("fences_lost", tests, NULL, NULL);
}
