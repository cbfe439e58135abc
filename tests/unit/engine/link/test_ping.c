/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>

#include "engine/link/ping.h"

#define MS UINT64_C(1000000)

static void answer_after(struct rj_ping *ping, uint64_t *now_ns, uint64_t ns)
{
	const uint64_t token = rj_ping_ask(ping, false, *now_ns);

	*now_ns += ns;
	assert_int_equal(rj_ping_answered(ping, token, *now_ns, NULL), 0);
}

static void one_question_at_a_time_and_not_too_often(void **state)
{
	struct rj_ping ping = { 0 };
	uint64_t token;

	(void)state;
	assert_true(rj_ping_is_due(&ping, 100 * MS, 5 * MS));
	token = rj_ping_ask(&ping, false, 5 * MS);
	assert_false(rj_ping_is_due(&ping, 100 * MS, 1000 * MS));
	assert_int_equal(rj_ping_answered(&ping, token, 30 * MS, NULL), 0);
	assert_false(rj_ping_is_due(&ping, 100 * MS, 104 * MS));
	assert_true(rj_ping_is_due(&ping, 100 * MS, 105 * MS));
}

static void an_answer_to_no_question_is_refused(void **state)
{
	struct rj_ping ping = { 0 };
	struct ramjet_error err = { 0 };
	uint64_t token;

	(void)state;
	assert_int_equal(rj_ping_answered(&ping, 0, MS, &err), -EPROTO);
	token = rj_ping_ask(&ping, false, MS);
	assert_int_equal(rj_ping_answered(&ping, token + 1, MS, &err), -EPROTO);
	assert_int_equal(rj_ping_answered(&ping, token, MS, &err), 0);
	assert_int_equal(rj_ping_answered(&ping, token, MS, &err), -EPROTO);
}

static void the_round_trip_is_the_median_of_the_latest(void **state)
{
	struct rj_ping ping = { 0 };
	uint64_t now_ns = MS;

	(void)state;
	assert_int_equal(rj_ping_rtt_us(&ping), 0);
	answer_after(&ping, &now_ns, 500);
	assert_int_equal(rj_ping_rtt_us(&ping), 1);
	answer_after(&ping, &now_ns, 40 * MS);
	answer_after(&ping, &now_ns, 42 * MS);
	assert_int_equal(rj_ping_rtt_us(&ping), 40000);
	/* One outlier says nothing. */
	answer_after(&ping, &now_ns, 9000 * MS);
	answer_after(&ping, &now_ns, 41 * MS);
	assert_int_equal(rj_ping_rtt_us(&ping), 41000);
	/* The path has changed. */
	for (unsigned i = 0; i < RJ_PING_SAMPLES; i++)
		answer_after(&ping, &now_ns, 7 * MS);
	assert_int_equal(rj_ping_rtt_us(&ping), 7000);
	answer_after(&ping, &now_ns, UINT64_C(5000000) * MS);
	assert_int_equal(rj_ping_rtt_us(&ping), 7000);
}

/* The process was stopped for half a second meanwhile. */
static void an_answer_that_was_late_once_counts_for_nothing(void **state)
{
	struct rj_ping ping = { 0 };
	struct ramjet_error err = { 0 };

	(void)state;
	for (unsigned i = 0; i < RJ_PING_SAMPLES; i++) {
		const uint64_t token = rj_ping_ask(&ping, false, 0);
		const uint64_t ns = i ? 300000 : 500000000;

		assert_int_equal(rj_ping_answered(&ping, token, ns, &err), 0);
		if (!i)
			continue;
		assert_int_equal(rj_ping_rtt_us(&ping), 300);
		assert_int_equal(rj_ping_high_us(&ping), 300);
		assert_int_equal(rj_ping_least_us(&ping), 300);
	}
}

static void laden_answer_after(struct rj_ping *ping, uint64_t *now_ns,
			       uint64_t ns)
{
	const uint64_t token = rj_ping_ask(ping, true, *now_ns);

	*now_ns += ns;
	assert_int_equal(rj_ping_answered(ping, token, *now_ns, NULL), 0);
}

/* What waits behind our own pages tells of them, not of the path. */
static void a_laden_question_counts_only_while_there_is_no_other(void **state)
{
	struct rj_ping ping = { 0 };
	uint64_t now_ns = MS;

	(void)state;
	laden_answer_after(&ping, &now_ns, 20 * MS);
	assert_int_equal(rj_ping_rtt_us(&ping), 20000);
	laden_answer_after(&ping, &now_ns, 22 * MS);
	laden_answer_after(&ping, &now_ns, 24 * MS);
	assert_int_equal(rj_ping_rtt_us(&ping), 22000);
	answer_after(&ping, &now_ns, 2 * MS);
	assert_int_equal(rj_ping_rtt_us(&ping), 2000);
	assert_int_equal(rj_ping_high_us(&ping), 2000);
	for (unsigned i = 0; i < 2 * RJ_PING_SAMPLES; i++)
		laden_answer_after(&ping, &now_ns, 30 * MS);
	assert_int_equal(rj_ping_rtt_us(&ping), 2000);
	assert_int_equal(rj_ping_high_us(&ping), 2000);
	/* The first answer was late, and a queue only adds. */
	laden_answer_after(&ping, &now_ns, 200000);
	laden_answer_after(&ping, &now_ns, 300000);
	assert_int_equal(rj_ping_rtt_us(&ping), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_question_at_a_time_and_not_too_often),
		cmocka_unit_test(an_answer_to_no_question_is_refused),
		cmocka_unit_test(
			an_answer_that_was_late_once_counts_for_nothing),
		cmocka_unit_test(the_round_trip_is_the_median_of_the_latest),
		cmocka_unit_test(
			a_laden_question_counts_only_while_there_is_no_other),
	};

	return cmocka_run_group_tests_name("ping", tests, NULL, NULL);
}
