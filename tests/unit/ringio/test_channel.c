/* SPDX-License-Identifier: BSD-3-Clause */
/* Every case runs over every backend and every kind of connection. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ringio/channel.h"
#include "tests/unit/ringio/fixture.h"
#include "util/compiler.h"

/* A worker's life: make the channel, use it, free it, on one thread. */
struct worker {
	pthread_t thread;
	void **state;
	struct fixture *f;
	uint8_t *data;
	size_t bytes;
	int rc;
	atomic_int tid;
};

static void *send_split(void *argument)
{
	struct worker *worker = argument;

	make_source(worker->state, worker->f);
	worker->rc = move_split(worker->f->source, worker->data, worker->bytes,
				1, send_now);
	if (rj_channel_bytes(worker->f->source) != worker->bytes)
		worker->rc = -EBADMSG;
	close_source(worker->f);
	return NULL;
}

static void any_split_keeps_order_and_content(void **state)
{
	struct fixture f;
	struct worker worker = {
		.state = state,
		.f = &f,
		.data = pattern_new(STREAM_BYTES),
		.bytes = STREAM_BYTES,
	};
	uint8_t *got = calloc(1, STREAM_BYTES), extra;

	begin(state, &f);
	assert_int_equal(
		pthread_create(&worker.thread, NULL, send_split, &worker), 0);
	if (is_kind(state, PAIR_FILE))
		(void)pthread_join(worker.thread, NULL);
	make_target(state, &f);
	assert_int_equal(
		move_split(f.target, got, STREAM_BYTES, 2, rj_channel_recv), 0);
	assert_int_equal(rj_channel_bytes(f.target), STREAM_BYTES);
	assert_int_equal(move_one(f.target, &extra, 1, rj_channel_recv),
			 -ENODATA);
	if (!is_kind(state, PAIR_FILE))
		(void)pthread_join(worker.thread, NULL);
	assert_int_equal(worker.rc, 0);
	assert_memory_equal(worker.data, got, STREAM_BYTES);
	end(&f);
	free(worker.data);
	free(got);
}

static void the_callers_iov_comes_back_as_it_was(void **state)
{
	uint8_t data[] = "abcdefgh";
	struct iovec iov[] = { { data, 0 }, { data, 3 }, { data + 3, 5 } };
	struct iovec copy[RJ_ARRAY_SIZE(iov)];
	struct fixture f;

	memcpy(copy, iov, sizeof(iov));
	begin(state, &f);
	make_source(state, &f);
	assert_int_equal(send_now(f.source, iov, RJ_ARRAY_SIZE(iov)), 0);
	assert_memory_equal(copy, iov, sizeof(iov));
	assert_int_equal(rj_channel_send_wait(f.source), 0);
	assert_false(rj_channel_send_pending(f.source));
	end(&f);
}

static void the_longest_iov_is_taken_and_no_longer_one(void **state)
{
	struct iovec iov[RJ_CHANNEL_IOV_MAX + 1];
	uint8_t out[RJ_CHANNEL_IOV_MAX + 1], in[RJ_CHANNEL_IOV_MAX + 1];
	struct fixture f;

	for (unsigned i = 0; i <= RJ_CHANNEL_IOV_MAX; i++) {
		out[i] = (uint8_t)(i * 7);
		iov[i] = (struct iovec){ &out[i], 1 };
	}
	begin(state, &f);
	make_source(state, &f);
	assert_int_equal(send_now(f.source, iov, RJ_CHANNEL_IOV_MAX), 0);
	assert_int_equal(send_now(f.source, iov, RJ_CHANNEL_IOV_MAX + 1),
			 -EINVAL);
	make_target(state, &f);
	for (unsigned i = 0; i <= RJ_CHANNEL_IOV_MAX; i++)
		iov[i] = (struct iovec){ &in[i], 1 };
	assert_int_equal(rj_channel_recv(f.target, iov, RJ_CHANNEL_IOV_MAX + 1),
			 -EINVAL);
	assert_int_equal(rj_channel_recv(f.target, iov, RJ_CHANNEL_IOV_MAX), 0);
	assert_memory_equal(out, in, RJ_CHANNEL_IOV_MAX);
	end(&f);
}

static void nothing_to_move_is_no_end(void **state)
{
	struct iovec none = { NULL, 0 };
	struct fixture f;

	begin(state, &f);
	make_source(state, &f);
	assert_int_equal(send_now(f.source, NULL, 0), 0);
	assert_int_equal(send_now(f.source, &none, 1), 0);
	close_source(&f);
	make_target(state, &f);
	assert_int_equal(rj_channel_recv(f.target, NULL, 0), 0);
	assert_int_equal(rj_channel_recv(f.target, &none, 1), 0);
	end(&f);
}

static void an_end_at_the_first_byte_is_clean(void **state)
{
	struct fixture f;
	uint8_t byte = 0;

	begin(state, &f);
	make_source(state, &f);
	assert_int_equal(move_one(f.source, "x", 1, send_now), 0);
	close_source(&f);
	make_target(state, &f);
	assert_int_equal(move_one(f.target, &byte, 1, rj_channel_recv), 0);
	assert_int_equal(byte, 'x');
	assert_int_equal(move_one(f.target, &byte, 1, rj_channel_recv),
			 -ENODATA);
	end(&f);
}

static void an_end_in_the_middle_is_broken(void **state)
{
	struct fixture f;
	uint8_t got[5];

	begin(state, &f);
	make_source(state, &f);
	assert_int_equal(move_one(f.source, "1234", 4, send_now), 0);
	close_source(&f);
	make_target(state, &f);
	assert_int_equal(move_one(f.target, got, sizeof(got), rj_channel_recv),
			 -EPIPE);
	end(&f);
}

static void *receive_all(void *argument)
{
	struct worker *worker = argument;

	make_target(worker->state, worker->f);
	worker->tid = gettid();
	worker->rc = move_one(worker->f->target, worker->data, worker->bytes,
			      rj_channel_recv);
	rj_channel_free(worker->f->target);
	worker->f->target = NULL;
	return NULL;
}

static void *send_all(void *argument)
{
	struct worker *worker = argument;

	make_source(worker->state, worker->f);
	worker->tid = gettid();
	worker->rc = move_one(worker->f->source, worker->data, worker->bytes,
			      send_now);
	rj_channel_free(worker->f->source);
	worker->f->source = NULL;
	return NULL;
}

/* Start, let it block, wake it. */
static void wake_blocked(struct worker *worker, void *(*run)(void *),
			 int wake_fd)
{
	assert_int_equal(pthread_create(&worker->thread, NULL, run, worker), 0);
	while (!worker->tid)
		;
	wait_until_asleep(worker->tid);
	assert_int_equal(eventfd_write(wake_fd, 1), 0);
	(void)pthread_join(worker->thread, NULL);
	assert_int_equal(worker->rc, -ECANCELED);
}

static void a_wake_ends_a_blocked_receive_for_good(void **state)
{
	uint8_t got[16] = { 0 };
	const uint8_t zeros[16] = { 0 };
	struct fixture f;
	struct worker worker = {
		.state = state,
		.f = &f,
		.data = got,
		.bytes = sizeof(got),
	};

	begin(state, &f);
	wake_blocked(&worker, receive_all, f.target_wake);
	/* What comes now is somebody else's. */
	assert_int_equal(rj_send_all(&f.pair.source, "abc", 3, 0, -1), 0);
	assert_int_equal(rj_recv_all(&f.pair.target, &(char[3]){ 0 }, 3, 0, -1),
			 0);
	assert_memory_equal(got, zeros, sizeof(got));
	end(&f);
}

static void a_wake_ends_a_blocked_send(void **state)
{
	struct fixture f;
	struct worker worker = {
		.state = state,
		.f = &f,
		.data = calloc(1, stuck_bytes(state)),
		.bytes = stuck_bytes(state),
	};

	begin(state, &f);
	wake_blocked(&worker, send_all, f.source_wake);
	end(&f);
	free(worker.data);
}

static void a_channel_works_again_once_the_wake_is_taken_back(void **state)
{
	struct fixture f;
	eventfd_t count;
	uint8_t byte = 0;

	begin(state, &f);
	make_source(state, &f);
	make_target(state, &f);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(eventfd_write(f.target_wake, 1), 0);
		assert_int_equal(move_one(f.target, &byte, 1, rj_channel_recv),
				 -ECANCELED);
		assert_int_equal(eventfd_read(f.target_wake, &count), 0);
		assert_int_equal(move_one(f.source, "z", 1, send_now), 0);
		assert_int_equal(move_one(f.target, &byte, 1, rj_channel_recv),
				 0);
		assert_int_equal(byte, 'z');
		/* An old wake, come and gone unseen, ends nothing. */
		assert_int_equal(eventfd_write(f.target_wake, 1), 0);
		assert_int_equal(eventfd_read(f.target_wake, &count), 0);
		assert_int_equal(move_one(f.source, "y", 1, send_now), 0);
		assert_int_equal(move_one(f.target, &byte, 1, rj_channel_recv),
				 0);
		assert_int_equal(byte, 'y');
	}
	end(&f);
}

/* Also proves that a pipe raises no SIGPIPE: it would end the test. */
static void a_peer_that_goes_away_is_an_error(void **state)
{
	uint8_t *data = calloc(1, stuck_bytes(state));
	struct fixture f;
	int rc;

	begin(state, &f);
	make_source(state, &f);
	assert_int_equal(move_one(f.source, data, 1000, send_now), 0);
	assert_int_equal(rj_conn_close(&f.pair.target, 0, NULL), 0);
	rc = move_one(f.source, data, stuck_bytes(state), send_now);
	assert_true(rc == -EPIPE || rc == -ECONNRESET);
	end(&f);
	free(data);
}

/* A stopped process: its kernel answers, and takes nothing. */
static void a_peer_that_takes_nothing_is_timed_out(void **state)
{
	const unsigned limit_ms = 400;
	uint8_t *data = calloc(1, stuck_bytes(state));
	struct fixture f;

	begin(state, &f);
	assert_int_equal(setsockopt(f.pair.source.fd, IPPROTO_TCP,
				    TCP_USER_TIMEOUT, &limit_ms,
				    sizeof(limit_ms)),
			 0);
	make_source(state, &f);
	assert_int_equal(move_one(f.source, data, stuck_bytes(state), send_now),
			 -ETIMEDOUT);
	end(&f);
	free(data);
}

static void a_send_in_flight_goes_on_by_asking(void **state)
{
	struct fixture f;
	struct worker worker = {
		.state = state,
		.f = &f,
		.data = calloc(1, stuck_bytes(state)),
		.bytes = stuck_bytes(state),
	};
	uint8_t *data = pattern_new(stuck_bytes(state));
	struct iovec iov = { data, stuck_bytes(state) };

	begin(state, &f);
	make_source(state, &f);
	assert_int_equal(rj_channel_send_start(f.source, &iov, 1), 0);
	assert_true(rj_channel_send_pending(f.source));
	assert_int_equal(rj_channel_send_start(f.source, &iov, 1), -EBUSY);
	assert_int_equal(
		pthread_create(&worker.thread, NULL, receive_all, &worker), 0);
	while (rj_channel_send_pending(f.source))
		;
	assert_int_equal(rj_channel_send_wait(f.source), 0);
	(void)pthread_join(worker.thread, NULL);
	assert_int_equal(worker.rc, 0);
	assert_memory_equal(worker.data, data, stuck_bytes(state));
	end(&f);
	free(data);
	free(worker.data);
}

static void a_channel_is_freed_with_a_send_in_flight(void **state)
{
	uint8_t *data = calloc(1, stuck_bytes(state));
	struct iovec iov = { data, stuck_bytes(state) };
	struct fixture f;

	begin(state, &f);
	make_source(state, &f);
	assert_int_equal(rj_channel_send_start(f.source, &iov, 1), 0);
	rj_channel_free(f.source);
	f.source = NULL;
	end(&f);
	free(data);
}

static int send_and_receive(struct rj_channel *channel, uint8_t *out,
			    uint8_t *in, size_t bytes)
{
	struct iovec iov = { out, bytes };
	int rc = rj_channel_send_start(channel, &iov, 1);

	if (!rc)
		rc = move_one(channel, in, bytes, rj_channel_recv);
	return rc ? rc : rj_channel_send_wait(channel);
}

static void *send_and_receive_run(void *argument)
{
	struct worker *worker = argument;
	uint8_t *in = calloc(1, worker->bytes);

	make_target(worker->state, worker->f);
	worker->rc = send_and_receive(worker->f->target, worker->data, in,
				      worker->bytes);
	if (memcmp(worker->data, in, worker->bytes))
		worker->rc = -EBADMSG;
	rj_channel_free(worker->f->target);
	worker->f->target = NULL;
	free(in);
	return NULL;
}

static void both_ways_at_once_never_lock_up(void **state)
{
	struct fixture f;
	struct worker worker = {
		.state = state,
		.f = &f,
		.bytes = stuck_bytes(state),
	};
	uint8_t *in;

	worker.data = pattern_new(stuck_bytes(state));
	in = calloc(1, stuck_bytes(state));
	begin(state, &f);
	make_source(state, &f);
	assert_int_equal(pthread_create(&worker.thread, NULL,
					send_and_receive_run, &worker),
			 0);
	assert_int_equal(
		send_and_receive(f.source, worker.data, in, worker.bytes), 0);
	(void)pthread_join(worker.thread, NULL);
	assert_int_equal(worker.rc, 0);
	assert_memory_equal(worker.data, in, stuck_bytes(state));
	end(&f);
	free(worker.data);
	free(in);
}

static void *answer_run(void *argument)
{
	struct worker *worker = argument;

	make_target(worker->state, worker->f);
	worker->rc = move_one(worker->f->target, worker->data, worker->bytes,
			      rj_channel_recv);
	if (!worker->rc)
		worker->rc = move_one(worker->f->target, "!", 1, send_now);
	rj_channel_free(worker->f->target);
	worker->f->target = NULL;
	return NULL;
}

/* The answer comes when all was received, so waiting for it must send. */
static void a_receive_keeps_the_send_going(void **state)
{
	struct fixture f;
	struct worker worker = {
		.state = state,
		.f = &f,
		.data = calloc(1, stuck_bytes(state)),
		.bytes = stuck_bytes(state),
	};
	uint8_t *data = pattern_new(worker.bytes), byte = 0;
	struct iovec iov = { data, worker.bytes };

	begin(state, &f);
	make_source(state, &f);
	assert_int_equal(
		pthread_create(&worker.thread, NULL, answer_run, &worker), 0);
	assert_int_equal(rj_channel_send_start(f.source, &iov, 1), 0);
	assert_int_equal(move_one(f.source, &byte, 1, rj_channel_recv), 0);
	assert_int_equal(byte, '!');
	assert_int_equal(rj_channel_send_wait(f.source), 0);
	(void)pthread_join(worker.thread, NULL);
	assert_int_equal(worker.rc, 0);
	assert_memory_equal(worker.data, data, worker.bytes);
	end(&f);
	free(data);
	free(worker.data);
}

static void a_cap_is_kept_by_the_kernel_or_by_us(void **state)
{
	struct fixture f;
	struct worker worker = {
		.state = state,
		.f = &f,
		.data = calloc(1, STREAM_BYTES),
		.bytes = STREAM_BYTES,
	};
	uint8_t *data = pattern_new(STREAM_BYTES);
	struct rj_channel_tcp info;
	uint64_t pace = 0;
	socklen_t bytes = sizeof(pace);

	begin(state, &f);
	make_source(state, &f);
	assert_int_equal(rj_channel_set_rate(f.source, 123456789), 0);
	if (f.pair.source.kind == RJ_CONN_TCP) {
		assert_int_equal(getsockopt(f.pair.source.fd, SOL_SOCKET,
					    SO_MAX_PACING_RATE, &pace, &bytes),
				 0);
		assert_int_equal(pace, 123456789);
	}
	if (!is_kind(state, PAIR_FILE))
		assert_int_equal(pthread_create(&worker.thread, NULL,
						receive_all, &worker),
				 0);
	assert_int_equal(
		move_split(f.source, data, STREAM_BYTES / 2, 3, send_now), 0);
	assert_int_equal(rj_channel_set_rate(f.source, 0), 0);
	assert_int_equal(move_split(f.source, data + STREAM_BYTES / 2,
				    STREAM_BYTES / 2, 3, send_now),
			 0);
	if (is_kind(state, PAIR_FILE))
		(void)receive_all(&worker);
	else
		(void)pthread_join(worker.thread, NULL);
	assert_int_equal(worker.rc, 0);
	assert_memory_equal(worker.data, data, STREAM_BYTES);
	rj_channel_tcp_info(f.source, &info);
	assert_int_equal(info.bytes_acked > 0,
			 f.pair.source.kind == RJ_CONN_TCP);
	end(&f);
	free(data);
	free(worker.data);
}

static void a_held_back_send_ends_on_a_wake(void **state)
{
	uint8_t *data = calloc(1, STREAM_BYTES);
	struct fixture f;

	begin(state, &f);
	make_source(state, &f);
	assert_int_equal(rj_channel_set_rate(f.source, 1), 0);
	assert_int_equal(eventfd_write(f.source_wake, 1), 0);
	/* TCP's pace is the kernel's: its buffers may take all of it. */
	if (f.pair.source.kind != RJ_CONN_TCP)
		assert_int_equal(
			move_one(f.source, data, STREAM_BYTES, send_now),
			-ECANCELED);
	end(&f);
	free(data);
}

#define ALL_KINDS  ((1u << PAIR_KINDS) - 1)
#define CAN_BLOCK  (ALL_KINDS & ~(1u << PAIR_FILE))
#define IS_TCP     ((1u << PAIR_TCP4) | (1u << PAIR_TCP6))
#define IS_TWO_WAY (CAN_BLOCK & ~(1u << PAIR_PIPE))

#define CASE(fn, kinds)        \
	{                      \
#fn, fn, kinds \
	}
static const struct {
	const char *name;
	CMUnitTestFunction fn;
	unsigned kinds;
} cases[] = {
	CASE(any_split_keeps_order_and_content, ALL_KINDS),
	CASE(the_callers_iov_comes_back_as_it_was, ALL_KINDS),
	CASE(the_longest_iov_is_taken_and_no_longer_one, ALL_KINDS),
	CASE(nothing_to_move_is_no_end, ALL_KINDS),
	CASE(an_end_at_the_first_byte_is_clean, ALL_KINDS),
	CASE(an_end_in_the_middle_is_broken, ALL_KINDS),
	CASE(a_wake_ends_a_blocked_receive_for_good, CAN_BLOCK),
	CASE(a_wake_ends_a_blocked_send, CAN_BLOCK),
	CASE(a_channel_works_again_once_the_wake_is_taken_back, CAN_BLOCK),
	CASE(a_peer_that_goes_away_is_an_error, CAN_BLOCK),
	CASE(a_peer_that_takes_nothing_is_timed_out, IS_TCP),
	CASE(a_send_in_flight_goes_on_by_asking, CAN_BLOCK),
	CASE(a_channel_is_freed_with_a_send_in_flight, CAN_BLOCK),
	CASE(both_ways_at_once_never_lock_up, IS_TWO_WAY),
	CASE(a_receive_keeps_the_send_going, IS_TWO_WAY),
	CASE(a_cap_is_kept_by_the_kernel_or_by_us, ALL_KINDS),
	CASE(a_held_back_send_ends_on_a_wake,
	     ALL_KINDS & ~(1u << PAIR_TCP4 | 1u << PAIR_TCP6)),
};

#define CASES    RJ_ARRAY_SIZE(cases)
#define BACKENDS 2

int main(void)
{
	static const char *const backends[BACKENDS] = { "syscalls", "uring" };
	static struct CMUnitTest tests[BACKENDS * PAIR_KINDS * CASES];
	static char names[RJ_ARRAY_SIZE(tests)][96];
	static struct param params[RJ_ARRAY_SIZE(tests)];
	size_t count = 0;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(tests); i++) {
		size_t backend = i / (PAIR_KINDS * CASES), n = i % CASES;
		enum pair_kind kind = (enum pair_kind)(i / CASES % PAIR_KINDS);

		if (!(cases[n].kinds & 1u << kind))
			continue;
		params[i].backend = backend ? RAMJET_BACKEND_URING
					    : RAMJET_BACKEND_SYSCALLS;
		params[i].kind = kind;
		(void)snprintf(names[i], sizeof(names[i]), "%s, %s: %s",
			       backends[backend], pair_names[kind],
			       cases[n].name);
		tests[count++] = (struct CMUnitTest){
			.name = names[i],
			.test_func = cases[n].fn,
			.initial_state = &params[i],
		};
	}
	/* cmocka passes over the empty ones at the end. */
	return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
