/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <sched.h>

#include "util/crew.h"
#include "util/error.h"

#define SIZE   4u
#define PIECES 1000u

struct work {
	atomic_uint done[PIECES];
	atomic_uint at_once[SIZE]; /* by member */
	atomic_uint members;       /* bits */
	uint64_t fails;            /* this piece */
	/* Members wait here until so many are at work; 0: nobody waits. */
	unsigned wanted;
	atomic_uint here;
};

static int do_piece(void *user, unsigned member, uint64_t piece,
		    struct ramjet_error *err)
{
	struct work *w = user;

	assert_true(member < SIZE);
	assert_int_equal(atomic_fetch_add(&w->at_once[member], 1), 0);
	if (!(atomic_fetch_or(&w->members, 1u << member) & 1u << member))
		atomic_fetch_add(&w->here, 1);
	while (atomic_load(&w->here) < w->wanted)
		(void)sched_yield();
	atomic_fetch_add(&w->done[piece], 1);
	atomic_fetch_sub(&w->at_once[member], 1);
	return piece == w->fails ? rj_fail(err, -EIO, "piece of cake") : 0;
}

static void all_pieces_once_by_all(void **state)
{
	struct rj_crew crew;

	(void)state;
	assert_int_equal(rj_crew_start(&crew, "rj/test", SIZE, NULL), 0);
	assert_int_equal(rj_crew_size(&crew), SIZE);
	for (unsigned round = 0; round < 50; round++) {
		struct work w = { .fails = UINT64_MAX,
				  .wanted = rj_crew_size(&crew) };

		assert_int_equal(rj_crew_run(&crew, PIECES, do_piece, &w, NULL),
				 0);
		for (unsigned i = 0; i < PIECES; i++)
			assert_int_equal(atomic_load(&w.done[i]), 1);
		assert_int_equal(atomic_load(&w.members), (1u << SIZE) - 1);
	}
	rj_crew_stop(&crew);
}

static void an_error_ends_the_job_not_the_crew(void **state)
{
	struct rj_crew crew;
	struct ramjet_error err = { 0 };
	struct work w = { .fails = 7 };
	struct work next = { .fails = UINT64_MAX };
	unsigned done = 0;

	(void)state;
	assert_int_equal(rj_crew_start(&crew, "rj/test", SIZE, NULL), 0);
	assert_int_equal(rj_crew_run(&crew, PIECES, do_piece, &w, &err), -EIO);
	assert_string_equal(err.message, "piece of cake");
	for (unsigned i = 0; i < PIECES; i++)
		done += atomic_load(&w.done[i]);
	assert_in_range(done, 8, PIECES);
	assert_int_equal(rj_crew_run(&crew, PIECES, do_piece, &next, NULL), 0);
	rj_crew_stop(&crew);
}

struct failing {
	struct rj_crew *crew;
	atomic_uint done;
};

/* One member fails once all have a piece; the others end theirs when that is
 * known. */
static int fail_or_wait(void *user, unsigned member, uint64_t piece,
			struct ramjet_error *err)
{
	struct failing *f = user;
	bool is_known = false;

	(void)member;
	atomic_fetch_add(&f->done, 1);
	while (atomic_load(&f->done) < rj_crew_size(f->crew))
		(void)sched_yield();
	if (!piece)
		return rj_fail(err, -EIO, "piece of cake");
	while (!is_known) {
		(void)sched_yield();
		rj_lock(&f->crew->lock);
		is_known = f->crew->failure.code != 0;
		rj_unlock(&f->crew->lock);
	}
	return 0;
}

static void nobody_begins_a_piece_after_an_error(void **state)
{
	struct rj_crew crew;
	struct failing f = { .crew = &crew };

	(void)state;
	assert_int_equal(rj_crew_start(&crew, "rj/test", SIZE, NULL), 0);
	for (unsigned round = 0; round < 100; round++) {
		atomic_store(&f.done, 0);
		assert_int_equal(
			rj_crew_run(&crew, PIECES, fail_or_wait, &f, NULL),
			-EIO);
		assert_int_equal(atomic_load(&f.done), rj_crew_size(&crew));
	}
	rj_crew_stop(&crew);
}

static void fewer_may_be_asked_for(void **state)
{
	struct rj_crew crew;

	(void)state;
	assert_int_equal(rj_crew_start(&crew, "rj/test", SIZE, NULL), 0);
	for (unsigned limit = SIZE - 1; limit; limit--) {
		struct work w = { .fails = UINT64_MAX, .wanted = limit };

		rj_crew_limit(&crew, limit);
		assert_int_equal(rj_crew_size(&crew), SIZE);
		assert_int_equal(rj_crew_run(&crew, PIECES, do_piece, &w, NULL),
				 0);
		assert_int_equal(atomic_load(&w.members), (1u << limit) - 1);
	}
	/* They are there, and have done something. */
	assert_true(rj_crew_cpu_us(&crew) > 0);
	rj_crew_stop(&crew);
	assert_int_equal(rj_crew_cpu_us(&crew), 0);
}

/* Nobody is waited for who did not come in time. */
static void short_jobs_end_without_the_others(void **state)
{
	struct rj_crew crew;

	(void)state;
	assert_int_equal(rj_crew_start(&crew, "rj/test", SIZE, NULL), 0);
	for (unsigned round = 0; round < 2000; round++) {
		struct work w = { .fails = UINT64_MAX };

		assert_int_equal(rj_crew_run(&crew, 2, do_piece, &w, NULL), 0);
		assert_int_equal(atomic_load(&w.done[0]), 1);
		assert_int_equal(atomic_load(&w.done[1]), 1);
	}
	rj_crew_stop(&crew);
}

static void alone_and_with_nothing_to_do(void **state)
{
	struct rj_crew crew = { .threads = NULL };
	struct work w = { .fails = UINT64_MAX };

	(void)state;
	assert_int_equal(rj_crew_size(&crew), 1);
	assert_int_equal(rj_crew_run(&crew, PIECES, do_piece, &w, NULL), 0);
	assert_int_equal(atomic_load(&w.members), 1);
	w.fails = 3;
	assert_int_equal(rj_crew_run(&crew, PIECES, do_piece, &w, NULL), -EIO);
	rj_crew_stop(&crew);
	assert_int_equal(rj_crew_start(&crew, "rj/test", SIZE, NULL), 0);
	assert_int_equal(rj_crew_run(&crew, 0, do_piece, &w, NULL), 0);
	rj_crew_stop(&crew);
	rj_crew_stop(&crew);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_pieces_once_by_all),
		cmocka_unit_test(an_error_ends_the_job_not_the_crew),
		cmocka_unit_test(nobody_begins_a_piece_after_an_error),
		cmocka_unit_test(fewer_may_be_asked_for),
		cmocka_unit_test(short_jobs_end_without_the_others),
		cmocka_unit_test(alone_and_with_nothing_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
