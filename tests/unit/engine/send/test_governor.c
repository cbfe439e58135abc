/* SPDX-License-Identifier: BSD-3-Clause */
/* Senders on a simulated clock. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/send/governor.h"
#include "util/compiler.h"

#define MS          UINT64_C(1000000)
#define S           UINT64_C(1000000000)
#define SENDERS_MAX 8u
#define LOG_MAX     65536u

/* One admitted frame. */
struct event {
	uint64_t at_ns, bytes;
};

struct sim {
	struct rj_governor g;
	_Atomic uint64_t cap;
	uint64_t now_ns;
	unsigned senders;
	/* a sender's frame: the place of a slice, or when it will have one */
	bool waits[SENDERS_MAX];
	uint64_t place[SENDERS_MAX], next_ns[SENDERS_MAX];
	uint64_t slice[SENDERS_MAX], left[SENDERS_MAX];
	/* how long a sender is busy with a frame it was let send */
	uint64_t busy_ns;
	/* nobody has anything to send from gap_ns to gap_end_ns */
	uint64_t gap_ns, gap_end_ns;
	struct event log[LOG_MAX];
	unsigned count;
	uint32_t seed;
};

static struct sim *new_sim(uint64_t cap, unsigned senders)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	assert_non_null(sim);
	rj_governor_init(&sim->g, &sim->cap);
	sim->cap = cap;
	sim->senders = senders;
	sim->now_ns = 7 * S;
	sim->seed = 1;
	return sim;
}

static void end_sim(struct sim *sim)
{
	rj_governor_done(&sim->g);
	free(sim);
}

static uint64_t frame_bytes(const struct sim *sim)
{
	const uint64_t bytes = rj_governor_frame_bytes(sim->cap);

	return bytes < (1u << 20) ? bytes : 1u << 20;
}

static uint64_t some_ns(struct sim *sim, uint64_t most)
{
	sim->seed = sim->seed * 1664525u + 1013904223u;
	return most ? (sim->seed >> 8) % most : 0;
}

static void admit(struct sim *sim, unsigned i)
{
	assert_true(sim->count < LOG_MAX);
	sim->log[sim->count++] = (struct event){ sim->now_ns, sim->slice[i] };
	rj_governor_admitted(&sim->g);
	sim->waits[i] = false;
	sim->left[i] -= sim->slice[i];
	if (sim->left[i])
		return;
	sim->next_ns[i] = sim->now_ns + sim->busy_ns;
	if (sim->next_ns[i] >= sim->gap_ns && sim->next_ns[i] < sim->gap_end_ns)
		sim->next_ns[i] = sim->gap_end_ns;
}

/* When sender i has to be looked at again; each wakes up to `late` late. */
static uint64_t step(struct sim *sim, unsigned i, uint64_t late)
{
	uint64_t ready;

	if (!sim->waits[i]) {
		if (sim->next_ns[i] > sim->now_ns)
			return sim->next_ns[i];
		if (!sim->left[i])
			sim->left[i] = frame_bytes(sim);
		sim->slice[i] = sim->left[i];
		sim->place[i] = rj_governor_announce(&sim->g, &sim->slice[i],
						     sim->now_ns);
		sim->waits[i] = true;
	}
	if (rj_governor_is_void(&sim->g, sim->place[i], sim->now_ns)) {
		rj_governor_admitted(&sim->g);
		sim->waits[i] = false;
		return sim->now_ns;
	}
	ready = rj_governor_ready_ns(&sim->g, sim->place[i], sim->now_ns);
	if (ready > sim->now_ns)
		return ready + some_ns(sim, late);
	admit(sim, i);
	return sim->next_ns[i] > sim->now_ns ? sim->next_ns[i] : sim->now_ns;
}

static void run(struct sim *sim, uint64_t ns, uint64_t late)
{
	const uint64_t end = sim->now_ns + ns;
	uint64_t at[SENDERS_MAX];

	for (unsigned i = 0; i < sim->senders; i++)
		at[i] = sim->now_ns;
	for (;;) {
		unsigned first = 0;

		for (unsigned i = 1; i < sim->senders; i++)
			if (at[i] < at[first])
				first = i;
		if (at[first] >= end)
			break;
		sim->now_ns = at[first];
		at[first] = step(sim, first, late);
	}
	sim->now_ns = end;
}

static uint64_t sent_between(const struct sim *sim, uint64_t from, uint64_t to)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < sim->count; i++)
		if (sim->log[i].at_ns >= from && sim->log[i].at_ns < to)
			bytes += sim->log[i].bytes;
	return bytes;
}

/* Every window of `width` between `from` and now, in steps of 5 ms. */
static void check_windows(const struct sim *sim, uint64_t from, uint64_t width,
			  double under, double over)
{
	const double due = (double)sim->cap * (double)width / (double)S;

	for (; from + width <= sim->now_ns; from += 5 * MS) {
		const double sent =
			(double)sent_between(sim, from, from + width);

		if (sent < due * (1 - under) || sent > due * (1 + over))
			fail_msg("cap %.0f: %.0f bytes in %.0f ms, due %.0f",
				 (double)sim->cap, sent,
				 (double)width / (double)MS, due);
	}
}

static uint64_t announce(struct sim *sim, uint64_t bytes, uint64_t now_ns)
{
	return rj_governor_announce(&sim->g, &bytes, now_ns);
}

static void without_a_cap_everything_goes(void **state)
{
	struct sim *sim = new_sim(0, 1);

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		const uint64_t place = announce(sim, 1u << 30, sim->now_ns);

		assert_int_equal(
			rj_governor_ready_ns(&sim->g, place, sim->now_ns),
			sim->now_ns);
		rj_governor_admitted(&sim->g);
	}
	end_sim(sim);
}

static void any_cap_holds_over_any_window(void **state)
{
	static const uint64_t caps[] = { 50000000, 123456789, 500000000,
					 2000000000, UINT64_C(20000000000) };

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(caps); i++)
		for (unsigned senders = 1; senders <= SENDERS_MAX;
		     senders *= 2) {
			struct sim *sim = new_sim(caps[i], senders);

			/* at the pace of a channel */
			sim->busy_ns = frame_bytes(sim) * S /
				       rj_governor_pace(caps[i]);
			run(sim, 3 * S, 200000);
			check_windows(sim, 7 * S, S, 0.01, 0.01);
			check_windows(sim, 7 * S, 100 * MS, 0.04, 0.04);
			end_sim(sim);
		}
}

/* The whole is the cap's whether one or all have something to send. */
static void one_sender_may_use_what_others_leave(void **state)
{
	struct sim *sim = new_sim(100000000, 4);

	(void)state;
	run(sim, S, 0);
	check_windows(sim, 7 * S, 100 * MS, 0.04, 0.04);
	/* the others give up in the middle of their wait */
	sim->senders = 1;
	run(sim, S, 0);
	check_windows(sim, 8 * S + 10 * MS, 100 * MS, 0.04, 0.04);
	end_sim(sim);
}

static void a_gap_is_made_up_for_but_not_in_a_burst(void **state)
{
	struct sim *sim = new_sim(200000000, 2);

	(void)state;
	sim->gap_ns = 8 * S;
	sim->gap_end_ns = 8 * S + 20 * MS;
	run(sim, 3 * S, 0);
	/* its 2 % are back within the second */
	check_windows(sim, 7 * S, S, 0.021, 0.03);
	assert_in_range(sent_between(sim, 7 * S, 9 * S), 398000000, 402000000);
	check_windows(sim, 7 * S, 100 * MS, 0.21, 0.10);
	end_sim(sim);
}

static void a_long_rest_is_not_saved_up(void **state)
{
	struct sim *sim = new_sim(200000000, 2);

	(void)state;
	sim->gap_ns = 8 * S;
	sim->gap_end_ns = 18 * S;
	run(sim, 13 * S, 0);
	check_windows(sim, 18 * S, S, 0.01, 0.03);
	check_windows(sim, 18 * S, 100 * MS, 0.04, 0.10);
	end_sim(sim);
}

/* Threads that wake up when others let them. */
static void late_wake_ups_cost_nothing(void **state)
{
	struct sim *sim = new_sim(500000000, 1);

	(void)state;
	run(sim, 3 * S, 4 * MS);
	check_windows(sim, 7 * S, S, 0.02, 0.03);
	check_windows(sim, 7 * S, 100 * MS, 0.05, 0.10);
	end_sim(sim);
}

static void change(struct sim *sim, uint64_t cap)
{
	const uint64_t began = sim->now_ns;

	sim->cap = cap;
	run(sim, 2 * S, 100000);
	check_windows(sim, began + 200 * MS, 100 * MS, 0.05, 0.10);
	check_windows(sim, began + 200 * MS, S, 0.01, 0.03);
}

static void a_change_holds_soon(void **state)
{
	static const uint64_t caps[] = {
		2000000000, 50000000, 1000000000, 100000000, 500000000,
		50000000,   60000000, 2000000000, 250000,    1000000000,
		3000000,    250000,   60000000,   1000000,   2000000000,
	};
	struct sim *sim = new_sim(50000000, 2);

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(caps); i++)
		change(sim, caps[i]);
	end_sim(sim);
}

/* What a low cap holds goes at once when it is lifted, and what a high one was
 * about to let go waits no longer than a slice of the low one. */
static void a_change_forgets_what_the_old_cap_made_of_it(void **state)
{
	struct sim *sim = new_sim(1000, 1);
	uint64_t bytes = 65536, first, second;

	(void)state;
	first = rj_governor_announce(&sim->g, &bytes, 7 * S);
	assert_int_equal(bytes, 1024);
	second = announce(sim, 65536, 7 * S);
	assert_int_equal(rj_governor_ready_ns(&sim->g, first, 7 * S), 7 * S);
	assert_in_range(rj_governor_ready_ns(&sim->g, second, 7 * S), 8 * S,
			9 * S);
	sim->cap = 2000000000;
	assert_true(rj_governor_is_void(&sim->g, second, 7 * S));
	assert_int_equal(rj_governor_ready_ns(&sim->g, second, 7 * S), 7 * S);
	for (unsigned i = 0; i < 16; i++) {
		bytes = 3333333;
		second = rj_governor_announce(&sim->g, &bytes, 7 * S);
		assert_int_equal(bytes, 3333333);
	}
	assert_false(rj_governor_is_void(&sim->g, second, 7 * S));
	sim->cap = 10000;
	assert_true(rj_governor_is_void(&sim->g, second, 7 * S));
	first = rj_governor_announce(&sim->g, &bytes, 7 * S);
	assert_int_equal(bytes, 1024);
	assert_true(rj_governor_ready_ns(&sim->g, first, 7 * S) <=
		    7 * S + 110 * MS);
	sim->cap = 0;
	assert_int_equal(rj_governor_ready_ns(&sim->g, first, 7 * S), 7 * S);
	end_sim(sim);
}

static void frames_go_in_the_order_of_their_announcement(void **state)
{
	struct sim *sim = new_sim(1000000, 1);
	uint64_t place[4], before = 0;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		place[i] = announce(sim, 50000, sim->now_ns);
	for (unsigned i = 0; i < 4; i++) {
		const uint64_t ready =
			rj_governor_ready_ns(&sim->g, place[i], sim->now_ns);

		assert_in_range(ready, 7 * S + i * 5 * MS,
				7 * S + i * 5 * MS + 1000);
		assert_true(ready > before);
		before = ready;
	}
	end_sim(sim);
}

static void it_knows_whether_it_holds_somebody(void **state)
{
	struct sim *sim = new_sim(1000000, 1);

	(void)state;
	assert_false(rj_governor_holds(&sim->g));
	(void)announce(sim, 1, sim->now_ns);
	(void)announce(sim, 1, sim->now_ns);
	rj_governor_admitted(&sim->g);
	assert_true(rj_governor_holds(&sim->g));
	rj_governor_admitted(&sim->g);
	assert_false(rj_governor_holds(&sim->g));
	end_sim(sim);
}

static void a_clock_behind_anothers_is_no_matter(void **state)
{
	struct sim *sim = new_sim(1000000, 1);
	uint64_t place;

	(void)state;
	(void)announce(sim, 1000, 9 * S);
	place = announce(sim, 1000, 8 * S);
	assert_in_range(rj_governor_ready_ns(&sim->g, place, 9 * S),
			9 * S + 900000, 9 * S + 1000001);
	end_sim(sim);
}

static void frames_and_pace_suit_the_cap(void **state)
{
	(void)state;
	assert_int_equal(rj_governor_frame_bytes(0), 0);
	assert_int_equal(rj_governor_frame_bytes(1), 65536);
	assert_int_equal(rj_governor_frame_bytes(600000000), 1000000);
	assert_int_equal(rj_governor_pace(0), 0);
	/* the kernel would go on so slowly when that is over */
	assert_int_equal(rj_governor_pace(1000), 0);
	assert_int_equal(rj_governor_pace(3999999), 0);
	assert_int_equal(rj_governor_pace(4000000), 5000000);
	assert_true(rj_governor_pace(UINT64_MAX) > UINT64_MAX / 200);
}

/* ---- threads; no time is looked at ---- */

#define THREADS 4u
#define FRAMES  200u

struct crew {
	struct rj_governor g;
	_Atomic uint64_t cap;
	_Atomic uint64_t admitted; /* bytes */
	int wake_fd;
	int rc[THREADS];
	_Atomic unsigned number;
	unsigned frames;
};

static void *send_frames(void *arg)
{
	struct crew *crew = arg;
	int *rc = &crew->rc[atomic_fetch_add(&crew->number, 1)];

	for (unsigned i = 0; i < crew->frames && !*rc; i++)
		for (uint64_t left = 65536, bytes; left && !*rc;
		     left -= bytes) {
			bytes = left;
			*rc = rj_governor_wait(&crew->g, &bytes, crew->wake_fd);
			if (!*rc)
				atomic_fetch_add(&crew->admitted, bytes);
		}
	return NULL;
}

static void start_crew(struct crew *crew, uint64_t cap, unsigned frames,
		       pthread_t *threads)
{
	*crew = (struct crew){ .wake_fd = eventfd(0, 0), .frames = frames };
	assert_true(crew->wake_fd >= 0);
	atomic_store(&crew->cap, cap);
	rj_governor_init(&crew->g, &crew->cap);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, send_frames, crew),
			0);
}

static void end_crew(struct crew *crew, const pthread_t *threads)
{
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_false(rj_governor_holds(&crew->g));
	rj_governor_done(&crew->g);
	(void)close(crew->wake_fd);
}

static void threads_all_get_their_turn(void **state)
{
	pthread_t threads[THREADS];
	struct crew crew;

	(void)state;
	start_crew(&crew, 1, FRAMES, threads);
	/* from one that would take days to none, by way of others */
	for (uint64_t cap = 1000; cap < UINT64_C(100000000000); cap *= 10)
		atomic_store(&crew.cap, cap);
	atomic_store(&crew.cap, 0);
	end_crew(&crew, threads);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(crew.rc[i], 0);
	assert_int_equal(crew.admitted, THREADS * FRAMES * 65536);
}

static void whoever_waits_can_be_woken(void **state)
{
	const uint64_t one = 1;
	pthread_t threads[THREADS];
	struct crew crew;

	(void)state;
	start_crew(&crew, 1, FRAMES, threads);
	assert_int_equal(write(crew.wake_fd, &one, sizeof(one)), sizeof(one));
	end_crew(&crew, threads);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(crew.rc[i], -ECANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_cap_everything_goes),
		cmocka_unit_test(any_cap_holds_over_any_window),
		cmocka_unit_test(one_sender_may_use_what_others_leave),
		cmocka_unit_test(a_gap_is_made_up_for_but_not_in_a_burst),
		cmocka_unit_test(a_long_rest_is_not_saved_up),
		cmocka_unit_test(late_wake_ups_cost_nothing),
		cmocka_unit_test(a_change_holds_soon),
		cmocka_unit_test(a_change_forgets_what_the_old_cap_made_of_it),
		cmocka_unit_test(frames_go_in_the_order_of_their_announcement),
		cmocka_unit_test(it_knows_whether_it_holds_somebody),
		cmocka_unit_test(a_clock_behind_anothers_is_no_matter),
		cmocka_unit_test(frames_and_pace_suit_the_cap),
		cmocka_unit_test(threads_all_get_their_turn),
		cmocka_unit_test(whoever_waits_can_be_woken),
	};

	return cmocka_run_group_tests_name("governor", tests, NULL, NULL);
}
