/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/base/outlet.h"

/* Lines whose reader stopped: nobody waits, nothing is lost unsaid. */

#define LINE_BYTES  16u
#define LINES       20000u /* 312 KiB: more than pipe and queue hold */
#define DEADLINE_MS 60000u

static void put_lines(struct rj_cli_outlet *outlet, unsigned first,
		      unsigned count)
{
	char line[LINE_BYTES + 1];

	for (unsigned i = first; i < first + count; i++) {
		(void)snprintf(line, sizeof(line), "line %010u\n", i);
		rj_cli_outlet_put(outlet, line, LINE_BYTES);
	}
}

/* All that comes until the other end is closed; *returned*. */
static char *read_all(int fd)
{
	size_t room = 1u << 20, used = 0;
	char *text = malloc(room);
	ssize_t got;

	assert_non_null(text);
	while ((got = read(fd, text + used, room - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = '\0';
	return text;
}

static void what_is_read_comes_whole_and_in_order(void **state)
{
	struct rj_cli_outlet *outlet;
	char *text, wanted[LINE_BYTES + 1];
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	outlet = rj_cli_outlet_new(ends[1]);
	put_lines(outlet, 0, 1000);
	assert_true(rj_cli_outlet_drain(outlet, DEADLINE_MS));
	assert_int_equal(rj_cli_outlet_close(outlet, DEADLINE_MS), 0);
	(void)close(ends[1]);
	text = read_all(ends[0]);
	assert_int_equal(strlen(text), 1000 * LINE_BYTES);
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(wanted, sizeof(wanted), "line %010u\n", i);
		assert_memory_equal(text + i * LINE_BYTES, wanted, LINE_BYTES);
	}
	free(text);
	(void)close(ends[0]);
}

/* Every line is there, or was counted where it is missing. */
static unsigned count_lines(const char *text, unsigned *ret_dropped)
{
	unsigned seen = 0;

	*ret_dropped = 0;
	for (const char *p = text; *p; p = strchr(p, '\n') + 1) {
		unsigned number;

		if (sscanf(p, "line %u", &number) == 1) {
			/* In order, and what is missing before it was said. */
			assert_int_equal(number, seen + *ret_dropped);
			seen++;
		} else {
			assert_int_equal(sscanf(p, "ramjet: %u line", &number),
					 1);
			*ret_dropped += number;
		}
	}
	return seen;
}

static void nobody_waits_for_a_reader_that_stopped(void **state)
{
	struct rj_cli_outlet *outlet;
	unsigned seen, dropped;
	char *text;
	int ends[2];
	pid_t reader;
	uint64_t total;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	/* Less than the queue holds. */
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) > 0);
	outlet = rj_cli_outlet_new(ends[1]);
	put_lines(outlet, 0, LINES); /* returns */
	assert_false(rj_cli_outlet_drain(outlet, 10));
	/* The reader is back. */
	reader = fork();
	if (!reader) {
		(void)close(ends[1]);
		text = read_all(ends[0]);
		seen = count_lines(text, &dropped);
		_exit(seen > 0 && dropped > 0 && seen + dropped == LINES + 1
			      ? 0
			      : 1);
	}
	assert_true(rj_cli_outlet_drain(outlet, DEADLINE_MS));
	put_lines(outlet, LINES, 1);
	total = rj_cli_outlet_close(outlet, DEADLINE_MS);
	(void)close(ends[1]);
	assert_true(total > 0 && total < LINES);
	assert_int_equal(waitpid(reader, &ends[1], 0), reader);
	assert_int_equal(ends[1], 0);
	(void)close(ends[0]);
}

static void closing_leaves_a_stuck_write_behind(void **state)
{
	struct rj_cli_outlet *outlet;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) > 0);
	outlet = rj_cli_outlet_new(ends[1]);
	put_lines(outlet, 0, LINES);
	assert_true(rj_cli_outlet_close(outlet, 10) > 0);
	/* Its thread ends with its pipe. */
	(void)close(ends[0]);
}

/* A limit or a full disk passes; the flags of a shared description stay. */
static void errors_and_flags_of_the_descriptor(void **state)
{
	struct rj_cli_outlet *outlet;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int ends[2];

	(void)state;
	outlet = rj_cli_outlet_new(full);
	put_lines(outlet, 0, 3);
	assert_true(rj_cli_outlet_drain(outlet, DEADLINE_MS));
	assert_int_equal(rj_cli_outlet_close(outlet, DEADLINE_MS), 3);
	(void)close(full);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	outlet = rj_cli_outlet_new(ends[1]);
	put_lines(outlet, 0, 1);
	assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(rj_cli_outlet_close(outlet, DEADLINE_MS), 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
	assert_int_equal(rj_cli_outlet_close(NULL, 0), 0);
}

static void a_stream_puts_what_is_flushed(void **state)
{
	struct rj_cli_outlet *outlet;
	FILE *stream;
	char *text;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	outlet = rj_cli_outlet_new(ends[1]);
	stream = rj_cli_outlet_stream(outlet);
	(void)fprintf(stream, "one %d\n", 1);
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(rj_cli_outlet_close(outlet, DEADLINE_MS), 0);
	(void)close(ends[1]);
	text = read_all(ends[0]);
	assert_string_equal(text, "one 1\n");
	free(text);
	(void)close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read_comes_whole_and_in_order),
		cmocka_unit_test(nobody_waits_for_a_reader_that_stopped),
		cmocka_unit_test(closing_leaves_a_stuck_write_behind),
		cmocka_unit_test(errors_and_flags_of_the_descriptor),
		cmocka_unit_test(a_stream_puts_what_is_flushed),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
