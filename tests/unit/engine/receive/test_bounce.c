/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/receive/bounce.h"
#include "tests/unit/engine/memfd_block.h"

#define PAGES      2000u
#define NEXT_BYTES 24u

struct scene {
	struct rj_block block;
	struct rj_first_touch touch;
	struct rj_bounce bounce;
	struct rj_conn conn;
	int peer;
	struct rj_channel *channel;
	struct iovec iov[RJ_RUNS_MAX];
	bool untouched[RJ_RUNS_MAX];
	struct rj_scatter scatter;
	uint8_t *sent;
	size_t sent_bytes;
	struct ramjet_error err;
};

static int setup_with(void **state, uint32_t backend)
{
	struct scene *s = calloc(1, sizeof(*s));
	const struct rj_channel_options options = {
		.backend = backend,
		.wake_fd = -1,
	};
	int pair[2];

	if (!s || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -1;
	s->block = memfd_block(PAGES);
	s->conn = rj_conn_bare(pair[0], RJ_CONN_UNIX);
	s->peer = pair[1];
	s->scatter.iov = s->iov;
	s->scatter.untouched = s->untouched;
	*state = s;
	if (rj_first_touch_init(&s->touch, &s->block, &s->err))
		return -1;
	return rj_channel_new(&s->conn, &options, &s->channel, &s->err);
}

static int setup(void **state)
{
	return setup_with(state, RAMJET_BACKEND_AUTO);
}

static int setup_syscalls(void **state)
{
	return setup_with(state, RAMJET_BACKEND_SYSCALLS);
}

static int setup_write_behind(void **state)
{
	struct scene *s;
	int rc = setup(state);

	s = *state;
	return rc ? rc : rj_bounce_write_behind(&s->bounce, 0);
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_channel_free(s->channel);
	(void)close(s->conn.fd);
	(void)close(s->peer);
	rj_bounce_done(&s->bounce);
	rj_first_touch_done(&s->touch);
	memfd_block_free(&s->block);
	free(s->sent);
	free(s);
	return 0;
}

static void add(struct scene *s, uint64_t page, uint32_t count, bool untouched)
{
	s->untouched[s->scatter.count] = untouched;
	s->scatter.untouched_count += untouched;
	s->iov[s->scatter.count++] = (struct iovec){
		s->block.host + page * RAMJET_PAGE_BYTES,
		(size_t)count * RAMJET_PAGE_BYTES,
	};
	s->sent_bytes += (size_t)count * RAMJET_PAGE_BYTES;
}

static void *send_all(void *arg)
{
	struct scene *s = arg;
	size_t done = 0;

	while (done < s->sent_bytes) {
		const ssize_t n = send(s->peer, s->sent + done,
				       s->sent_bytes - done, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return NULL;
}

/* All of the payload, then NEXT_BYTES. */
static void receive(struct scene *s, uint8_t next[NEXT_BYTES])
{
	struct rj_payload_sum *sum = rj_payload_sum_new();
	pthread_t sender;
	int rc;

	s->sent_bytes += NEXT_BYTES;
	s->sent = malloc(s->sent_bytes);
	assert_non_null(s->sent);
	assert_non_null(sum);
	rj_payload_sum_begin(sum);
	for (size_t i = 0; i < s->sent_bytes; i++)
		s->sent[i] = (uint8_t)(i * 31 + i / RAMJET_PAGE_BYTES);
	assert_int_equal(pthread_create(&sender, NULL, send_all, s), 0);
	rc = rj_bounce_receive(&s->bounce, s->channel, &s->touch, &s->scatter,
			       (struct iovec){ next, NEXT_BYTES }, sum,
			       &s->err);
	(void)pthread_join(sender, NULL);
	assert_int_equal(rc, 0);
	assert_int_equal(rj_bounce_flush(&s->bounce, &s->err), 0);
	assert_true(rj_payload_sum_value(sum) ==
		    XXH3_64bits(s->sent, s->sent_bytes - NEXT_BYTES));
	rj_payload_sum_free(sum);
}

static void expect_all(const struct scene *s, const uint8_t next[NEXT_BYTES])
{
	const uint8_t *from = s->sent;

	for (unsigned i = 0; i < s->scatter.count; i++) {
		assert_memory_equal(s->iov[i].iov_base, from,
				    s->iov[i].iov_len);
		from += s->iov[i].iov_len;
	}
	assert_memory_equal(next, from, NEXT_BYTES);
}

static void a_long_run_takes_several_pieces(void **state)
{
	struct scene *s = *state;
	uint8_t next[NEXT_BYTES];

	add(s, 5, 3 * RJ_BOUNCE_BYTES / RAMJET_PAGE_BYTES + 1, true);
	receive(s, next);
	expect_all(s, next);
	assert_int_equal(memfd_block_allocated(&s->block),
			 3 * RJ_BOUNCE_BYTES / RAMJET_PAGE_BYTES + 1);
}

static void a_run_that_fills_the_buffer_exactly(void **state)
{
	struct scene *s = *state;
	uint8_t next[NEXT_BYTES];

	add(s, 0, RJ_BOUNCE_BYTES / RAMJET_PAGE_BYTES, true);
	receive(s, next);
	expect_all(s, next);
}

static void both_ways_in_one_frame(void **state)
{
	struct scene *s = *state;
	uint8_t next[NEXT_BYTES];

	add(s, 0, 1, false);
	add(s, 2, 60, true);
	add(s, 100, 300, false);
	add(s, 500, 70, true);
	add(s, 600, 1, false);
	add(s, 700, 200, true);
	add(s, PAGES - 1, 1, true);
	receive(s, next);
	expect_all(s, next);
}

static void as_many_runs_as_there_can_be(void **state)
{
	struct scene *s = *state;
	uint8_t next[NEXT_BYTES];

	for (unsigned i = 0; i < RJ_RUNS_MAX - 64; i++)
		add(s, 2 * i, 1, i % 3);
	receive(s, next);
	expect_all(s, next);
}

static void an_end_in_the_middle_is_told(void **state)
{
	struct scene *s = *state;
	uint8_t next[NEXT_BYTES], part[RAMJET_PAGE_BYTES] = { 0 };

	add(s, 0, 200, true);
	assert_int_equal(send(s->peer, part, sizeof(part), MSG_NOSIGNAL),
			 sizeof(part));
	assert_int_equal(shutdown(s->peer, SHUT_WR), 0);
	assert_int_equal(rj_bounce_receive(&s->bounce, s->channel, &s->touch,
					   &s->scatter,
					   (struct iovec){ next, NEXT_BYTES },
					   NULL, &s->err),
			 -EPIPE);
	assert_int_equal(s->err.code, 0);
}

#define TESTS(name)                                                            \
	cmocka_unit_test_setup_teardown(name, setup, teardown),                \
		{ #name " (syscalls)", name, setup_syscalls, teardown, NULL }, \
	{                                                                      \
#name " (behind)", name, setup_write_behind, teardown, NULL    \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TESTS(a_long_run_takes_several_pieces),
		TESTS(a_run_that_fills_the_buffer_exactly),
		TESTS(both_ways_in_one_frame),
		TESTS(as_many_runs_as_there_can_be),
		TESTS(an_end_in_the_middle_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
