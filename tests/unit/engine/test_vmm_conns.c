/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole migrations over connections that the VMM makes. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/engine/vmm_conns.h"

static const char *path_of(const struct ramjet_info *info, const char *name,
			   const char *chosen)
{
	for (size_t i = 0; i < info->fast_path_count; i++) {
		const struct ramjet_fast_path_info *path =
			RAMJET_AT(info->fast_paths, i);

		if (!strcmp(path->name, name) && !strcmp(path->chosen, chosen))
			return path->reason;
	}
	return "not reported";
}

static void expect_requests(const struct vmm_conns *vmm, unsigned channels)
{
	assert_int_equal(vmm->request_count, channels + 1);
	for (unsigned i = 0; i < vmm->request_count; i++) {
		const struct ramjet_connect_request *r = &vmm->requests[i];

		assert_true(RAMJET_HAS(r, cancel_fd));
		assert_int_equal(r->channel,
				 i ? (int)i - 1 : RAMJET_CONNECT_CONTROL);
		assert_int_equal(r->channel_count, channels);
		assert_in_range(r->timeout_ms, 1, 10000);
		assert_true(r->cancel_fd >= 0);
	}
}

static void move_over(struct vmm_conns *vmm)
{
	vmm_begin(vmm);
	assert_string_equal(ramjet_listen_uri(vmm->move.incoming), "vmm:test");
	move_await(&vmm->move);
	move_expect_done(&vmm->move);
	assert_true(vmm->move.info->verified);
	assert_string_equal(vmm->move.info->uri, "vmm:test");
	assert_string_equal(vmm->move.target_info->uri, "vmm:test");
}

static void over_descriptors(void **state)
{
	static const unsigned channels[] = { 1, 4, 16 };
	struct vmm_conns *vmm = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(channels); i++) {
		vmm_init(vmm, channels[i]);
		move_over(vmm);
		expect_requests(vmm, channels[i]);
		assert_int_equal(vmm->move.info->channel_count, channels[i]);
		/* They are as good as any socket. */
		assert_string_not_equal(
			path_of(vmm->move.info, "io_uring", "no"),
			"io_uring: the connection is no bare socket");
		vmm_done(vmm);
	}
}

static void over_operations(void **state)
{
	static const struct xor_options kinds[] = {
		{ 0 },
		{ .piece = 8191 },
		{ .blind = true },
	};
	struct vmm_conns *vmm = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(kinds); i++) {
		vmm_init(vmm, 3);
		vmm->by_operations = true;
		vmm->kind = kinds[i];
		vmm->move.source_params.zero_copy = RAMJET_ZERO_COPY_ON;
		move_over(vmm);
		expect_requests(vmm, 3);
		assert_int_equal(vmm->move.info->channel_count, 3);
		assert_int_equal(atomic_load(&vmm->opened), 8);
		assert_string_equal(
			path_of(vmm->move.info, "io_uring", "no"),
			"io_uring: the connection is no bare socket");
		assert_string_equal(
			path_of(vmm->move.target_info, "io_uring", "no"),
			"io_uring: the connection is no bare socket");
		assert_string_equal(path_of(vmm->move.info, "zero copy", "no"),
				    "it needs io_uring");
		vmm_done(vmm);
	}
}

/* How many is left to ramjet. */
static void as_many_as_prove_useful(void **state)
{
	struct vmm_conns *vmm = *state;

	vmm_init(vmm, 0);
	vmm->by_operations = true;
	move_over(vmm);
	assert_true(vmm->request_count >= 2);
	assert_int_equal(vmm->request_count, vmm->move.info->channel_count + 1);
}

static void over_a_single_one(void **state)
{
	struct vmm_conns *vmm = *state;

	for (unsigned i = 0; i < 2; i++) {
		vmm_init(vmm, i);
		vmm->by_operations = i;
		vmm->connector.flags = RAMJET_CONNECTOR_SINGLE;
		move_over(vmm);
		assert_int_equal(vmm->request_count, 1);
		assert_int_equal(vmm->requests[0].channel,
				 RAMJET_CONNECT_CONTROL);
		assert_int_equal(vmm->requests[0].channel_count, 1);
		assert_string_equal(path_of(vmm->move.info, "channels", "1"),
				    "the connection is the only one");
		vmm_done(vmm);
	}
	vmm_init(vmm, 2);
	vmm->connector.flags = RAMJET_CONNECTOR_SINGLE;
	vmm_begin(vmm);
	while (ramjet_wait(vmm->move.outgoing, 0, NULL) == -ETIMEDOUT)
		(void)poll(NULL, 0, 1);
	assert_int_equal(ramjet_cancel(vmm->move.incoming), 0);
	move_await(&vmm->move);
	move_expect_error(&vmm->move.source_err, -EINVAL,
			  "vmm:test: has one channel, 2 were asked for");
	assert_int_equal(vmm->request_count, 0);
}

/* A management layer made them all before, and they are used in any order. */
#define MADE 5u
static int made[MADE];

static int take_made(void *user, const struct ramjet_connect_request *request,
		     struct ramjet_connection *ret, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	ret->fd = made[MADE - 2 - (unsigned)request->channel];
	return 0;
}

static void over_those_that_were_made_before(void **state)
{
	struct vmm_conns *vmm = *state;
	int pair[2];

	vmm_init(vmm, MADE - 1);
	vmm_listen(vmm);
	for (unsigned i = 0; i < MADE; i++) {
		vmm_pair(pair);
		made[i] = pair[0];
		vmm_give(vmm, pair[1]);
	}
	vmm->connector.connect = take_made;
	vmm_send(vmm);
	move_await(&vmm->move);
	move_expect_done(&vmm->move);
}

/* Until its own end sees that the other was closed, after a FAILED. What was not
 * read there resets it. */
static void expect_closed(int fd)
{
	char bytes[256];
	ssize_t n;

	do
		n = read(fd, bytes, sizeof(bytes));
	while (n > 0);
	assert_true(!n || errno == ECONNRESET);
	(void)close(fd);
}

static void strangers_are_refused_and_the_right_one_served(void **state)
{
	static const char garbage[] = "GET / HTTP/1.1\r\nHost: ramjet\r\n\r\n"
				      "0123456789abcdef0123456789abcdef";
	struct ramjet_connection late = { RAMJET_CONNECTION_INIT };
	struct vmm_conns *vmm = *state;
	int talker[2], sleeper[2], more[2];

	vmm_init(vmm, 2);
	vmm_listen(vmm);
	vmm_pair(talker);
	vmm_pair(sleeper);
	vmm_pair(more);
	assert_int_equal(write(talker[0], garbage, sizeof(garbage)),
			 sizeof(garbage));
	vmm_give(vmm, talker[1]);
	late.fd = sleeper[1];
	late.hello_timeout_ms = 1;
	assert_int_equal(ramjet_incoming_give(vmm->move.incoming, &late, NULL),
			 0);
	vmm_give(vmm, more[1]); /* says nothing, ever */
	expect_closed(talker[0]);
	expect_closed(sleeper[0]);
	vmm_send(vmm);
	move_await(&vmm->move);
	move_expect_done(&vmm->move);
	expect_closed(more[0]);
}

static void on_state(struct small_vm *vm, enum ramjet_state state)
{
	struct move *move = vm->user;
	struct ramjet_connection late = { RAMJET_CONNECTION_INIT };
	struct ramjet_error err = { 0 };
	int fds[2];

	if (state != RAMJET_STATE_ACTIVE)
		return;
	vmm_pair(fds);
	late.fd = fds[1];
	if (ramjet_incoming_give(move->incoming, &late, &err) == -EALREADY &&
	    err.code == -EALREADY && fcntl(fds[1], F_GETFD) >= 0)
		(void)snprintf(move->told, sizeof(move->told), "%s",
			       "stays the caller's");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void one_that_comes_too_late_stays_the_callers(void **state)
{
	struct vmm_conns *vmm = *state;

	vmm_init(vmm, 2);
	vmm->move.target.on_state = on_state;
	move_over(vmm);
	assert_string_equal(vmm->move.told, "stays the caller's");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VMM_TEST(over_descriptors),
		VMM_TEST(over_operations),
		VMM_TEST(as_many_as_prove_useful),
		VMM_TEST(over_a_single_one),
		VMM_TEST(over_those_that_were_made_before),
		VMM_TEST(strangers_are_refused_and_the_right_one_served),
		VMM_TEST(one_that_comes_too_late_stays_the_callers),
	};

	return cmocka_run_group_tests_name("vmm_conns", tests, NULL, NULL);
}
