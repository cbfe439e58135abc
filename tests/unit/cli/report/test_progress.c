/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/report/progress.h"
#include "tests/unit/cli/fake_ramjet.h"

struct world {
	struct rj_cli_progress progress;
	FILE *out;
	char *text;
	size_t bytes;
};

static struct world *open_world(enum rj_cli_progress_style style)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	fake_reset();
	fake.info.outgoing = true;
	fake.info.state = RAMJET_STATE_ACTIVE;
	fake.info.current_bytes_per_s = 3u << 30;
	fake.info.ram_remaining_bytes = 1u << 20;
	w->out = open_memstream(&w->text, &w->bytes);
	rj_cli_progress_init(&w->progress, style, w->out);
	return w;
}

static void close_world(struct world *w)
{
	rj_cli_progress_done(&w->progress);
	(void)fclose(w->out);
	free(w->text);
	free(w);
}

static unsigned count(const char *text, const char *what)
{
	unsigned found = 0;

	for (text = strstr(text, what); text; text = strstr(text + 1, what))
		found++;
	return found;
}

static void a_bar_keeps_a_line_for_each_round(void **state)
{
	struct world *w = open_world(RJ_CLI_PROGRESS_BAR);

	(void)state;
	fake.info.round_count = 0;
	fake.info.rounds_total = 0;
	rj_cli_progress_update(&w->progress, &fake.info);
	assert_string_equal(w->text, "  1 [###...] 3.0 GiB/s  left 1.0 MiB");
	fake.info.round_count = 2;
	fake.info.rounds_total = 2;
	rj_cli_progress_update(&w->progress, &fake.info);
	rj_cli_progress_update(&w->progress, &fake.info);
	assert_int_equal(count(w->text, "round 1 "), 1);
	assert_int_equal(count(w->text, "round 2 "), 1);
	assert_non_null(strstr(w->text,
			       "\r\033[K  3 [###...] 3.0 GiB/s  dirty 200 "
			       "MiB/s  left 1.0 MiB  pause 12-20 ms"));
	rj_cli_progress_finish(&w->progress, &fake.info);
	assert_string_equal(w->text + w->bytes - 4, "\r\033[K");
	close_world(w);
}

static void a_limit_that_is_missed_says_when_it_will_be_met(void **state)
{
	struct world *w = open_world(RJ_CLI_PROGRESS_BAR);

	(void)state;
	fake.info.downtime_p50_us = 280000;
	fake.info.downtime_p90_us = 300001;
	fake.info.convergence_us = 4200000;
	fake.info.throttle_percent = 30;
	rj_cli_progress_update(&w->progress, &fake.info);
	assert_non_null(strstr(w->text, "dirty 200 MiB/s -30%  pause 280-300 "
					"ms, fits in 4.2 s"));
	assert_null(strstr(w->text, "left"));
	fake.info.convergence_us = UINT64_MAX;
	rj_cli_progress_update(&w->progress, &fake.info);
	assert_non_null(strstr(w->text, "pause 280-300 ms, does not fit"));
	fake.info.limit_needed_us = 330000;
	rj_cli_progress_update(&w->progress, &fake.info);
	assert_non_null(strstr(w->text, "pause 280-300 ms, needs 330.0 ms"));
	close_world(w);
}

static void what_nobody_knows_is_a_dash(void **state)
{
	struct world *w = open_world(RJ_CLI_PROGRESS_BAR);

	(void)state;
	fake.info.known = RAMJET_KNOWN_REMAINING;
	fake.info.round_count = 0;
	rj_cli_progress_update(&w->progress, &fake.info);
	assert_non_null(strstr(w->text, "] -  dirty -  left 1.0 MiB  pause -"));
	fake.info.known |= RAMJET_KNOWN_PREDICTION;
	fake.info.downtime_p90_us = 300001;
	rj_cli_progress_update(&w->progress, &fake.info);
	assert_non_null(strstr(w->text, "dirty -  pause 12-300 ms"));
	assert_null(strstr(w->text, "fit"));
	close_world(w);
}

static void no_live_line_is_wider_than_a_terminal(void **state)
{
	struct world *w = open_world(RJ_CLI_PROGRESS_BAR);

	(void)state;
	fake.info.current_bytes_per_s = UINT64_C(1023) << 30;
	fake.info.dirty_pages_per_s = UINT64_C(1023) << 18;
	fake.info.ram_remaining_bytes = UINT64_C(1023) << 30;
	fake.info.ram_total_bytes = UINT64_C(1024) << 30;
	fake.info.downtime_p50_us = 999000;
	fake.info.rounds_total = 12345;
	fake.info.round_count = 0;
	rj_cli_progress_update(&w->progress, &fake.info);
	assert_true(w->bytes < 80);
	close_world(w);
}

/* What a terminal that is so wide is sent. */
static void live_line(unsigned columns, char *ret, size_t bytes)
{
	const struct winsize size = { .ws_row = 24,
				      .ws_col = (unsigned short)columns };
	struct rj_cli_progress progress;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	ssize_t length;
	FILE *out;

	assert_true(master >= 0 && !grantpt(master) && !unlockpt(master));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
	out = fdopen(slave, "w");
	assert_non_null(out);
	rj_cli_progress_init(&progress, RJ_CLI_PROGRESS_BAR, out);
	rj_cli_progress_update(&progress, &fake.info);
	length = read(master, ret, bytes - 1);
	assert_true(length > 0);
	ret[length] = '\0';
	rj_cli_progress_done(&progress);
	(void)fclose(out);
	(void)close(master);
}

static void a_live_line_is_cut_to_a_narrow_terminal(void **state)
{
	struct world *w = open_world(RJ_CLI_PROGRESS_BAR);
	char whole[256], line[256];

	(void)state;
	fake.info.downtime_p50_us = 280000;
	fake.info.downtime_p90_us = 300001;
	fake.info.convergence_us = 4200000;
	fake.info.rounds_total = 12345;
	fake.info.round_count = 0;
	live_line(200, whole, sizeof(whole));
	assert_true(strlen(whole) > 60);
	live_line(60, line, sizeof(line));
	assert_int_equal(strlen(line), 59);
	assert_memory_equal(line, whole, 59);
	live_line(20, line, sizeof(line));
	assert_int_equal(strlen(line), 19);
	/* Unknown: 80. */
	live_line(0, line, sizeof(line));
	assert_memory_equal(line, whole, strlen(line));
	assert_true(strlen(line) > 60);
	close_world(w);
}

static void a_target_says_nothing_of_dirt(void **state)
{
	struct world *w = open_world(RJ_CLI_PROGRESS_BAR);

	(void)state;
	rj_cli_progress_update(&w->progress, &fake.info);
	assert_int_equal(count(w->text, " dirtied\n"), 2);
	close_world(w);
	w = open_world(RJ_CLI_PROGRESS_BAR);
	fake.info.outgoing = false;
	rj_cli_progress_update(&w->progress, &fake.info);
	assert_int_equal(count(w->text, "round "), 2);
	assert_null(strstr(w->text, "dirt"));
	close_world(w);
}

static void a_plain_style_says_little(void **state)
{
	struct world *w = open_world(RJ_CLI_PROGRESS_PLAIN);

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		rj_cli_progress_update(&w->progress, &fake.info);
	assert_true(count(w->text, "\n") <= 1);
	assert_null(strstr(w->text, "\033"));
	close_world(w);
}

static void a_held_migration_does_not_flood(void **state)
{
	struct world *w = open_world(RJ_CLI_PROGRESS_BAR);
	static const struct ramjet_round_info round = { .pages = 1, .us = 1 };

	(void)state;
	fake.info.rounds = &round;
	fake.info.round_count = 1;
	for (unsigned i = 1; i < 1000; i++) {
		fake.info.rounds_total = i;
		rj_cli_progress_update(&w->progress, &fake.info);
		fake.info.state = RAMJET_STATE_HELD;
	}
	assert_int_equal(count(w->text, "  round "), 12);
	assert_non_null(strstr(w->text, "[ held ]"));
	close_world(w);
}

static void none_still_passes_notes_on(void **state)
{
	struct world *w = open_world(RJ_CLI_PROGRESS_NONE);

	(void)state;
	rj_cli_progress_update(&w->progress, &fake.info);
	rj_cli_progress_note(&w->progress, "note %d", 1);
	rj_cli_progress_finish(&w->progress, &fake.info);
	assert_string_equal(w->text, "note 1\n");
	close_world(w);
}

static void a_note_does_not_run_into_the_live_line(void **state)
{
	struct world *w = open_world(RJ_CLI_PROGRESS_BAR);

	(void)state;
	rj_cli_progress_update(&w->progress, &fake.info);
	rj_cli_progress_note(&w->progress, "note");
	assert_non_null(strstr(w->text, "\r\033[Knote\n"));
	close_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bar_keeps_a_line_for_each_round),
		cmocka_unit_test(
			a_limit_that_is_missed_says_when_it_will_be_met),
		cmocka_unit_test(what_nobody_knows_is_a_dash),
		cmocka_unit_test(no_live_line_is_wider_than_a_terminal),
		cmocka_unit_test(a_live_line_is_cut_to_a_narrow_terminal),
		cmocka_unit_test(a_target_says_nothing_of_dirt),
		cmocka_unit_test(a_plain_style_says_little),
		cmocka_unit_test(a_held_migration_does_not_flood),
		cmocka_unit_test(none_still_passes_notes_on),
		cmocka_unit_test(a_note_does_not_run_into_the_live_line),
	};

	return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
