/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection is broken while another thread receives, in whatever way. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "ringio/channel.h"
#include "ringio/conn_break.h"
#include "tests/unit/ringio/pair.h"

#define BYTES 100000u

struct receiver {
	const struct rj_conn *conn;
	enum ramjet_backend backend;
	_Atomic uint64_t had; /* bytes, before it waits */
	int rc;
	pthread_t thread;
};

/* Two pieces: the first comes. */
static void *receive(void *user)
{
	static uint8_t bytes[BYTES];
	struct receiver *r = user;
	const struct rj_channel_options options = { .backend = r->backend,
						    .wake_fd = -1 };
	struct iovec first = { bytes, 10 }, second = { bytes, BYTES };
	struct rj_channel *channel = NULL;

	r->rc = rj_channel_new(r->conn, &options, &channel, NULL);
	if (!r->rc)
		r->rc = rj_channel_recv(channel, &first, 1);
	atomic_store(&r->had, 10);
	if (!r->rc)
		r->rc = rj_channel_recv(channel, &second, 1);
	rj_channel_free(channel);
	return NULL;
}

/* With some bytes of the second piece, or none. */
static void break_one(enum pair_kind kind, enum ramjet_backend backend,
		      size_t more)
{
	struct pair pair;
	struct receiver r = { .backend = backend };
	uint8_t bytes[64] = { 0 };

	assert_true(pair_open(kind, &pair));
	r.conn = &pair.target;
	assert_int_equal(pthread_create(&r.thread, NULL, receive, &r), 0);
	assert_int_equal(rj_send_all(&pair.source, bytes, 10 + more, 0, -1), 0);
	while (!atomic_load(&r.had))
		(void)sched_yield();
	assert_true(rj_conn_break(&pair.target));
	assert_int_equal(pthread_join(r.thread, NULL), 0);
	if (r.rc != -ENODATA && r.rc != -EPIPE)
		fail_msg("kind %d, backend %d: %d", kind, backend, r.rc);
	pair_close(&pair);
}

static void who_waits_hears_the_end(void **state)
{
	static const enum pair_kind kinds[] = { PAIR_TCP4, PAIR_UNIX };

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t more = 0; more < 50; more += 40) {
			break_one(kinds[i], RAMJET_BACKEND_AUTO, more);
			break_one(kinds[i], RAMJET_BACKEND_SYSCALLS, more);
		}
}

static void one_that_is_broken_or_closed_may_be_broken_again(void **state)
{
	struct rj_conn none = RJ_CONN_NONE;
	struct pair pair;

	(void)state;
	assert_true(pair_open(PAIR_UNIX, &pair));
	assert_true(rj_conn_break(&pair.target));
	(void)rj_conn_break(&pair.target);
	(void)rj_conn_close(&pair.source, 0, NULL);
	(void)rj_conn_break(&pair.target);
	pair_close(&pair);
	assert_false(rj_conn_break(&none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_hears_the_end),
		cmocka_unit_test(
			one_that_is_broken_or_closed_may_be_broken_again),
	};

	return cmocka_run_group_tests_name("conn_break", tests, NULL, NULL);
}
