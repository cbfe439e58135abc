/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "engine/link/resume.h"

#define BEFORE 5u /* said before anything is kept */

static int setup(void **state)
{
	static struct rj_resume resume;

	rj_resume_init(&resume, BEFORE);
	*state = &resume;
	return 0;
}

static int teardown(void **state)
{
	rj_resume_done(*state);
	return 0;
}

/* Its number; `letter` fills the header. */
static uint64_t say(struct rj_resume *resume, char letter, bool is_written)
{
	uint8_t header[RJ_HEADER_BYTES];
	uint64_t number = 0;
	int rc;

	memset(header, letter, sizeof(header));
	rc = rj_resume_say(resume, header, "xyz", 3, &number, NULL);
	if (is_written) {
		assert_int_equal(rc, 1);
		assert_true(rj_resume_begin(resume, number));
		rj_resume_wrote(resume, number);
	}
	return number;
}

static void expect_next(struct rj_resume *resume, char letter)
{
	uint64_t number = 0;
	size_t bytes = 0;
	const uint8_t *wire = rj_resume_next(resume, &bytes, &number);

	assert_non_null(wire);
	assert_int_equal(bytes, RJ_HEADER_BYTES + 3);
	assert_int_equal(wire[0], letter);
	assert_memory_equal(wire + RJ_HEADER_BYTES, "xyz", 3);
	rj_resume_wrote(resume, number);
}

static void expect_no_more(struct rj_resume *resume)
{
	uint64_t number = 0;
	size_t bytes = 0;

	assert_null(rj_resume_next(resume, &bytes, &number));
	assert_false(rj_resume_is_lost(resume));
}

static void what_was_not_heard_is_said_again(void **state)
{
	struct rj_resume *resume = *state;

	assert_int_equal(say(resume, 'a', true), BEFORE + 1);
	(void)say(resume, 'b', true);
	rj_resume_lose(resume, NULL);
	/* What is said meanwhile waits. */
	assert_false(rj_resume_begin(resume, say(resume, 'c', false)));
	assert_int_equal(rj_resume_return(resume, BEFORE + 1, NULL), 0);
	assert_true(rj_resume_is_lost(resume));
	expect_next(resume, 'b');
	/* And what is said while it is said again. */
	(void)say(resume, 'd', false);
	expect_next(resume, 'c');
	expect_next(resume, 'd');
	expect_no_more(resume);
	assert_int_equal(rj_resume_returns(resume), 1);
	(void)say(resume, 'e', true);
	assert_false(rj_resume_is_all_known(resume));
	assert_int_equal(rj_resume_heard(resume, BEFORE + 5, NULL), 0);
	assert_true(rj_resume_is_all_known(resume));
}

/* Its writer had not come to it when the connection was lost. */
static void what_another_wrote_is_not_written_twice(void **state)
{
	struct rj_resume *resume = *state;
	const uint64_t number = say(resume, 'a', false);

	rj_resume_lose(resume, NULL);
	assert_int_equal(rj_resume_return(resume, BEFORE, NULL), 0);
	expect_next(resume, 'a');
	expect_no_more(resume);
	assert_false(rj_resume_begin(resume, number));
}

static void what_is_heard_is_not_kept(void **state)
{
	struct rj_resume *resume = *state;
	const size_t most = RJ_RESUME_KEPT_MAX;

	assert_true(rj_resume_has_room(resume, most + 1));
	(void)say(resume, 'a', true);
	assert_true(rj_resume_has_room(resume, most - RJ_HEADER_BYTES - 3));
	assert_false(rj_resume_has_room(resume, most - RJ_HEADER_BYTES - 2));
	assert_int_equal(rj_resume_heard(resume, BEFORE + 1, NULL), 0);
	assert_true(rj_resume_has_room(resume, most));
	assert_null(resume->first);
}

static void a_count_that_cannot_be_is_refused(void **state)
{
	struct rj_resume *resume = *state;
	struct ramjet_error err = { 0 };

	(void)say(resume, 'a', true);
	(void)say(resume, 'b', true);
	/* Said, and not written: nobody has heard it. */
	rj_resume_lose(resume, NULL);
	(void)say(resume, 'c', false);
	assert_int_equal(rj_resume_heard(resume, BEFORE + 1, NULL), 0);
	assert_int_equal(rj_resume_heard(resume, BEFORE, &err), -EPROTO);
	assert_string_equal(err.message,
			    "the peer has heard 5 frames, it says, "
			    "wanted 6 to 7");
	assert_int_equal(rj_resume_return(resume, BEFORE + 3, NULL), -EPROTO);
	assert_int_equal(rj_resume_return(resume, BEFORE, NULL), -EPROTO);
	assert_int_equal(rj_resume_return(resume, BEFORE + 2, NULL), 0);
	expect_next(resume, 'c');
	expect_no_more(resume);
}

/* The other side may hear it before its writer can note that. */
static void a_frame_may_be_heard_before_it_counts_as_written(void **state)
{
	struct rj_resume *resume = *state;
	const uint64_t number = say(resume, 'a', false);

	assert_true(rj_resume_begin(resume, number));
	assert_int_equal(rj_resume_heard(resume, number, NULL), 0);
	rj_resume_wrote(resume, number);
	assert_true(rj_resume_is_all_known(resume));
}

static void the_first_reason_counts(void **state)
{
	struct rj_resume *resume = *state;
	struct ramjet_error silent = { .code = -ETIMEDOUT },
			    other = { .code = -EIO };

	assert_int_equal(rj_resume_why(resume).code, 0);
	rj_resume_lose(resume, &silent);
	rj_resume_lose(resume, &other);
	assert_int_equal(rj_resume_why(resume).code, -ETIMEDOUT);
	assert_int_equal(rj_resume_return(resume, BEFORE, NULL), 0);
	assert_int_equal(rj_resume_why(resume).code, 0);
}

static void what_belongs_to_a_connection_does_not_count(void **state)
{
	static const uint8_t none[] = { RJ_FRAME_HELLO, RJ_FRAME_RESUME,
					RJ_FRAME_HEARD, RJ_FRAME_PING,
					RJ_FRAME_PONG };

	(void)state;
	for (size_t i = 0; i < sizeof(none); i++)
		assert_false(rj_resume_counts(none[i]));
	assert_true(rj_resume_counts(RJ_FRAME_COMMIT));
	assert_true(rj_resume_counts(0x7f));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(what_was_not_heard_is_said_again),
		CASE(what_another_wrote_is_not_written_twice),
		CASE(what_is_heard_is_not_kept),
		CASE(a_count_that_cannot_be_is_refused),
		CASE(a_frame_may_be_heard_before_it_counts_as_written),
		CASE(the_first_reason_counts),
		CASE(what_belongs_to_a_connection_does_not_count),
	};

	return cmocka_run_group_tests_name("resume", tests, NULL, NULL);
}
