/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/qmp/outbox.h"

#define LINE_BYTES 1000u

struct world {
	struct rj_qmp_outbox outbox;
	int ends[2];
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, w->ends), 0);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	rj_qmp_outbox_done(&w->outbox);
	(void)close(w->ends[0]);
	if (w->ends[1] >= 0)
		(void)close(w->ends[1]);
	free(w);
	return 0;
}

/* Line number `n`. */
static void make_line(char line[LINE_BYTES], unsigned n)
{
	memset(line, 'a' + (char)(n % 26), LINE_BYTES);
	line[LINE_BYTES - 1] = '\n';
}

static void an_empty_one_has_nothing_to_send(void **state)
{
	struct world *w = *state;

	assert_true(rj_qmp_outbox_is_empty(&w->outbox));
	assert_int_equal(rj_qmp_outbox_flush(&w->outbox, w->ends[0]), 0);
}

static void what_goes_in_comes_out_in_order(void **state)
{
	struct world *w = *state;
	char line[LINE_BYTES], got[LINE_BYTES];
	unsigned added = 0, read_lines = 0;

	/* Far more than fits at once, with the reader always behind. */
	while (read_lines < 3000) {
		for (; added < read_lines + 700; added++) {
			make_line(line, added);
			assert_int_equal(
				rj_qmp_outbox_add(&w->outbox, line, LINE_BYTES),
				0);
		}
		assert_int_equal(rj_qmp_outbox_flush(&w->outbox, w->ends[0]),
				 0);
		assert_int_equal(recv(w->ends[1], got, LINE_BYTES, MSG_WAITALL),
				 LINE_BYTES);
		make_line(line, read_lines++);
		assert_memory_equal(got, line, LINE_BYTES);
	}
}

static void beyond_the_limit_nothing_is_taken(void **state)
{
	struct world *w = *state;
	char line[LINE_BYTES];
	unsigned added = 0;

	make_line(line, 0);
	while (!rj_qmp_outbox_add(&w->outbox, line, LINE_BYTES))
		added++;
	assert_int_equal(added, RJ_QMP_OUTBOX_BYTES_MAX / LINE_BYTES);
	assert_int_equal(rj_qmp_outbox_add(&w->outbox, line, LINE_BYTES),
			 -ENOBUFS);
	/* Less still fits. */
	assert_int_equal(
		rj_qmp_outbox_add(&w->outbox, line,
				  RJ_QMP_OUTBOX_BYTES_MAX % LINE_BYTES),
		0);
	assert_int_equal(rj_qmp_outbox_add(&w->outbox, line, 1), -ENOBUFS);
}

static void a_reader_that_does_not_read_is_not_waited_for(void **state)
{
	struct world *w = *state;
	char line[LINE_BYTES];

	make_line(line, 0);
	while (!rj_qmp_outbox_add(&w->outbox, line, LINE_BYTES))
		;
	assert_int_equal(rj_qmp_outbox_flush(&w->outbox, w->ends[0]), 0);
	assert_false(rj_qmp_outbox_is_empty(&w->outbox));
}

static void a_reader_that_has_gone_is_an_error(void **state)
{
	struct world *w = *state;

	(void)close(w->ends[1]);
	w->ends[1] = -1;
	assert_int_equal(rj_qmp_outbox_add(&w->outbox, "x", 1), 0);
	assert_int_equal(rj_qmp_outbox_flush(&w->outbox, w->ends[0]), -EPIPE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_one_has_nothing_to_send),
		TEST(what_goes_in_comes_out_in_order),
		TEST(beyond_the_limit_nothing_is_taken),
		TEST(a_reader_that_does_not_read_is_not_waited_for),
		TEST(a_reader_that_has_gone_is_an_error),
	};

	return cmocka_run_group_tests_name("qmp_outbox", tests, NULL, NULL);
}
