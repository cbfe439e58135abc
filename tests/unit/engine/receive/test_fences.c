/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "engine/link/event.h"
#include "engine/receive/fences.h"

#define CHANNELS 4u
#define ROUNDS   300u

struct scene {
	struct rj_fences fences;
	int event_fd;
};

static int setup_with(void **state, unsigned channels)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	rj_fences_init(&s->fences, channels, s->event_fd);
	*state = s;
	return 0;
}

static int setup_one(void **state)
{
	return setup_with(state, 1);
}

static int setup_many(void **state)
{
	return setup_with(state, CHANNELS);
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_fences_done(&s->fences);
	(void)close(s->event_fd);
	free(s);
	return 0;
}

static bool is_signalled(const struct scene *s)
{
	struct pollfd fd = { .fd = s->event_fd, .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

/* The only lane's. */
static int arrive(struct scene *s, uint32_t round, bool final,
		  struct ramjet_error *err)
{
	bool over = !final;
	const int rc =
		rj_fences_arrive(&s->fences, 0, round, final, &over, err);

	assert_true(rc || over == final);
	return rc;
}

static void a_single_channel_passes_its_fences(void **state)
{
	struct scene *s = *state;
	bool final = true;

	assert_int_equal(rj_fences_applied(&s->fences, &final), 0);
	assert_false(final);
	for (uint32_t round = 0; round < 5; round++) {
		rj_event_clear(s->event_fd);
		assert_int_equal(arrive(s, round, false, NULL), 0);
		assert_true(is_signalled(s));
		assert_int_equal(rj_fences_applied(&s->fences, &final),
				 round + 1);
		assert_false(final);
	}
	assert_int_equal(arrive(s, 5, true, NULL), 0);
	assert_int_equal(rj_fences_applied(&s->fences, &final), 6);
	assert_true(final);
}

static void refuse(struct scene *s, uint32_t round, bool final)
{
	struct ramjet_error err = { 0 };

	assert_int_equal(arrive(s, round, final, &err), -EPROTO);
	assert_int_equal(err.code, -EPROTO);
	assert_true(*err.message);
}

static void rounds_that_are_not_next_are_refused(void **state)
{
	struct scene *s = *state;
	bool final;

	refuse(s, 1, false);
	refuse(s, UINT32_MAX, false);
	assert_int_equal(arrive(s, 0, false, NULL), 0);
	refuse(s, 0, false);
	refuse(s, 2, true);
	assert_int_equal(rj_fences_applied(&s->fences, &final), 1);
	assert_int_equal(arrive(s, 1, true, NULL), 0);
	refuse(s, 1, true);
	refuse(s, 2, false);
	refuse(s, 2, true);
}

/* ---- several channels ---- */

struct channel {
	struct scene *scene;
	unsigned lane;
	bool over;
	unsigned rounds;            /* rounds it brings */
	_Atomic unsigned *arrivals; /* a round */
	int rc;
	bool overtook; /* went on before all had arrived */
	pthread_t thread;
};

static void *run_channel(void *user)
{
	struct channel *c = user;

	for (uint32_t round = 0; !c->rc && round < c->rounds; round++) {
		atomic_fetch_add(&c->arrivals[round], 1);
		c->rc = rj_fences_arrive(&c->scene->fences, c->lane, round,
					 round == ROUNDS - 1, &c->over, NULL);
		if (!c->rc && atomic_load(&c->arrivals[round]) != CHANNELS)
			c->overtook = true;
	}
	return NULL;
}

static void start(struct channel *c, struct scene *s, unsigned lane,
		  unsigned rounds, _Atomic unsigned *arrivals)
{
	*c = (struct channel){
		.scene = s, .lane = lane, .rounds = rounds, .arrivals = arrivals
	};
	assert_int_equal(pthread_create(&c->thread, NULL, run_channel, c), 0);
}

static void nobody_passes_a_fence_before_all_have_come(void **state)
{
	static _Atomic unsigned arrivals[ROUNDS];
	struct channel channels[CHANNELS];
	struct scene *s = *state;
	bool final;

	for (unsigned i = 0; i < CHANNELS; i++)
		start(&channels[i], s, i, ROUNDS, arrivals);
	for (unsigned i = 0; i < CHANNELS; i++) {
		assert_int_equal(pthread_join(channels[i].thread, NULL), 0);
		assert_int_equal(channels[i].rc, 0);
		assert_false(channels[i].overtook);
	}
	assert_int_equal(rj_fences_applied(&s->fences, &final), ROUNDS);
	assert_true(final);
}

static void stopping_ends_all_waits(void **state)
{
	static _Atomic unsigned arrivals[ROUNDS];
	struct channel channels[CHANNELS];
	struct scene *s = *state;
	bool final;

	/* The last channel never comes. */
	for (unsigned i = 0; i < CHANNELS - 1; i++)
		start(&channels[i], s, i, 1, arrivals);
	rj_fences_stop(&s->fences);
	for (unsigned i = 0; i < CHANNELS - 1; i++) {
		assert_int_equal(pthread_join(channels[i].thread, NULL), 0);
		assert_int_equal(channels[i].rc, -ECANCELED);
	}
	assert_int_equal(rj_fences_applied(&s->fences, &final), 0);
}

static void *arrive_final(void *user)
{
	struct channel *c = user;

	c->rc = rj_fences_arrive(&c->scene->fences, c->lane, 0, true, &c->over,
				 NULL);
	return NULL;
}

static bool has_arrived(struct scene *s)
{
	bool arrived;

	rj_lock(&s->fences.lock);
	arrived = s->fences.arrived > 0;
	rj_unlock(&s->fences.lock);
	return arrived;
}

static void channels_must_agree_which_round_is_the_last(void **state)
{
	struct scene *s = *state;
	struct channel first = { .scene = s };
	struct ramjet_error err = { 0 };
	bool over;

	assert_int_equal(
		pthread_create(&first.thread, NULL, arrive_final, &first), 0);
	while (!has_arrived(s))
		sched_yield();
	assert_int_equal(rj_fences_arrive(&s->fences, 1, 0, false, &over, &err),
			 -EPROTO);
	assert_true(*err.message);
	rj_fences_stop(&s->fences);
	assert_int_equal(pthread_join(first.thread, NULL), 0);
	assert_int_equal(first.rc, -ECANCELED);
}

int main(void)
{
#define ONE(f)  cmocka_unit_test_setup_teardown(f, setup_one, teardown)
#define MANY(f) cmocka_unit_test_setup_teardown(f, setup_many, teardown)
	const struct CMUnitTest tests[] = {
		ONE(a_single_channel_passes_its_fences),
		ONE(rounds_that_are_not_next_are_refused),
		MANY(nobody_passes_a_fence_before_all_have_come),
		MANY(stopping_ends_all_waits),
		MANY(channels_must_agree_which_round_is_the_last),
	};

	return cmocka_run_group_tests_name("fences", tests, NULL, NULL);
}
