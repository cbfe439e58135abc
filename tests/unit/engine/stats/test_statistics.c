/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/stats/statistics.h"

static int setup(void **state)
{
	struct rj_statistics *stats = calloc(1, sizeof(*stats));

	*state = stats;
	return stats ? rj_statistics_init(stats) : -1;
}

static int teardown(void **state)
{
	rj_statistics_done(*state);
	free(*state);
	return 0;
}

static void the_newest_rounds_are_kept_and_all_are_counted(void **state)
{
	struct rj_statistics *stats = *state;
	const uint64_t total = RAMJET_ROUNDS_MAX + 10;

	for (uint64_t i = 0; i < total; i++) {
		const struct ramjet_round_info round = { .pages = i };

		rj_statistics_add_round(stats, &round);
	}
	assert_int_equal(stats->rounds_total, total);
	for (uint64_t i = total - RAMJET_ROUNDS_MAX; i < total; i++)
		assert_int_equal(stats->rounds[i % RAMJET_ROUNDS_MAX].pages, i);
}

static void a_term_has_one_line_for_both_figures(void **state)
{
	struct rj_statistics *stats = *state;

	rj_statistics_predict(stats, "stop", 5);
	rj_statistics_measure(stats, "pages", 7);
	rj_statistics_measure(stats, "stop", 6);
	rj_statistics_predict(stats, "stop", 8);
	assert_int_equal(stats->term_count, 2);
	assert_string_equal(stats->terms[0].name, "stop");
	assert_int_equal(stats->terms[0].predicted_us, 8);
	assert_int_equal(stats->terms[0].actual_us, 6);
	assert_string_equal(stats->terms[1].name, "pages");
	assert_int_equal(stats->terms[1].predicted_us, 0);
	assert_int_equal(stats->terms[1].actual_us, 7);
}

static void more_terms_than_there_is_room_for_do_no_harm(void **state)
{
	static char names[RJ_TERMS_MAX + 5][8];
	struct rj_statistics *stats = *state;

	for (unsigned i = 0; i < RJ_TERMS_MAX + 5; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "t%u", i);
		rj_statistics_measure(stats, names[i], i);
	}
	assert_int_equal(stats->term_count, RJ_TERMS_MAX);
	assert_string_equal(stats->terms[0].name, "t0");
	assert_int_equal(stats->terms[0].actual_us, 0);
	assert_int_equal(stats->terms[RJ_TERMS_MAX - 2].actual_us,
			 RJ_TERMS_MAX - 2);
}

static void a_rate_is_known_once_it_was_measured_and_not_at_the_end(
	void **state)
{
	struct rj_statistics *stats = *state;

	rj_statistics_rate(stats, 0, 1000000);
	assert_int_equal(stats->known, 0);
	rj_statistics_rate(stats, 0, 2000000);
	assert_int_equal(stats->known, RAMJET_KNOWN_CURRENT_RATE);
	rj_statistics_rate(stats, 4000, 3000000);
	assert_int_equal(stats->current_bytes_per_s, 4000);
	stats->throttle_percent = 50;
	rj_statistics_end(stats, 3000000);
	assert_int_equal(stats->known, 0);
	assert_int_equal(stats->current_bytes_per_s, 0);
	assert_int_equal(stats->throttle_percent, 0);
	assert_int_equal(stats->ended_us, 3000000);
}

static void the_first_report_of_a_fast_path_stays(void **state)
{
	struct rj_statistics *stats = *state;

	rj_statistics_path(stats, "io_uring", "yes", "%s, %d", "granted", 3);
	rj_statistics_path(stats, "populated map", "all", "none");
	rj_statistics_path(stats, "io_uring", "no", "later");
	assert_int_equal(stats->fast_path_count, 2);
	assert_string_equal(stats->fast_paths[0].name, "io_uring");
	assert_string_equal(stats->fast_paths[0].chosen, "yes");
	assert_string_equal(stats->fast_paths[0].reason, "granted, 3");
	assert_string_equal(stats->fast_paths[1].chosen, "all");
}

static void a_report_of_what_is_now_replaces_the_one_before(void **state)
{
	struct rj_statistics *stats = *state;

	rj_statistics_path_now(stats, "channels", "auto: 2 of 8", "at first");
	rj_statistics_path(stats, "io_uring", "yes", "granted");
	rj_statistics_path_now(stats, "channels", "auto: 3 of 8", "gain %d", 7);
	assert_int_equal(stats->fast_path_count, 2);
	assert_string_equal(stats->fast_paths[0].chosen, "auto: 3 of 8");
	assert_string_equal(stats->fast_paths[0].reason, "gain 7");
}

static void a_fast_path_that_ends_is_reported_so(void **state)
{
	struct rj_statistics *stats = *state;

	rj_statistics_path(stats, "zero copy", "registered", "measured");
	rj_statistics_path_now(stats, "zero copy", "no", "refused %d", 12);
	rj_statistics_path_now(stats, "first touch", "in place", "private");
	assert_int_equal(stats->fast_path_count, 2);
	assert_string_equal(stats->fast_paths[0].chosen, "no");
	assert_string_equal(stats->fast_paths[0].reason, "refused 12");
	assert_string_equal(stats->fast_paths[1].chosen, "in place");
}

static void io_uring_means_all_channels(void **state)
{
	struct rj_statistics *stats = *state;

	rj_statistics_backend(stats, RAMJET_BACKEND_URING, "granted");
	rj_statistics_backend(stats, RAMJET_BACKEND_SYSCALLS, "no memory");
	rj_statistics_backend(stats, RAMJET_BACKEND_URING, "granted");
	assert_int_equal(stats->fast_path_count, 1);
	assert_string_equal(stats->fast_paths[0].chosen, "no");
	assert_string_equal(stats->fast_paths[0].reason, "no memory");
}

static void long_texts_of_fast_paths_are_cut(void **state)
{
	struct rj_statistics *stats = *state;
	char text[500];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	rj_statistics_path(stats, "p", text, "%s", text);
	assert_true(strlen(stats->fast_paths[0].chosen) <
		    sizeof(stats->fast_paths[0].chosen));
	assert_true(strlen(stats->fast_paths[0].reason) <
		    sizeof(stats->fast_paths[0].reason));
	for (unsigned i = 0; i < RJ_FAST_PATHS_MAX + 3; i++) {
		static char names[RJ_FAST_PATHS_MAX + 3][8];

		(void)snprintf(names[i], sizeof(names[i]), "f%u", i);
		rj_statistics_path(stats, names[i], "yes", "why");
	}
	assert_int_equal(stats->fast_path_count, RJ_FAST_PATHS_MAX);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(the_newest_rounds_are_kept_and_all_are_counted),
		CASE(a_term_has_one_line_for_both_figures),
		CASE(more_terms_than_there_is_room_for_do_no_harm),
		CASE(a_rate_is_known_once_it_was_measured_and_not_at_the_end),
		CASE(the_first_report_of_a_fast_path_stays),
		CASE(a_report_of_what_is_now_replaces_the_one_before),
		CASE(a_fast_path_that_ends_is_reported_so),
		CASE(io_uring_means_all_channels),
		CASE(long_texts_of_fast_paths_are_cut),
	};

	return cmocka_run_group_tests_name("statistics", tests, NULL, NULL);
}
