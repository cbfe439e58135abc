/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole migrations over connections that are not bare: whatever the engine opens
 * or accepts is wrapped, so that each byte of the control conversation and of the
 * data must go through the operations, on both sides.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/engine/move.h"
#include "tests/unit/ringio/xor_conn.h"

static struct xor_options kind;
static _Atomic unsigned wrapped;

int __real_rj_connect(const struct rj_uri *uri, uint64_t deadline_ns,
		      int wake_fd, struct rj_conn *ret,
		      struct ramjet_error *err);
int __wrap_rj_connect(const struct rj_uri *uri, uint64_t deadline_ns,
		      int wake_fd, struct rj_conn *ret,
		      struct ramjet_error *err);
int __real_rj_connect_beside(const struct rj_conn *first,
			     const struct rj_uri *uri, uint64_t deadline_ns,
			     int wake_fd, struct rj_conn *ret,
			     struct ramjet_error *err);
int __wrap_rj_connect_beside(const struct rj_conn *first,
			     const struct rj_uri *uri, uint64_t deadline_ns,
			     int wake_fd, struct rj_conn *ret,
			     struct ramjet_error *err);
int __real_rj_accept(struct rj_listener *listener, uint64_t deadline_ns,
		     int wake_fd, struct rj_conn *ret,
		     struct ramjet_error *err);
int __wrap_rj_accept(struct rj_listener *listener, uint64_t deadline_ns,
		     int wake_fd, struct rj_conn *ret,
		     struct ramjet_error *err);
int __real_rj_open_incoming(const struct rj_uri *uri, struct rj_conn *ret,
			    struct ramjet_error *err);
int __wrap_rj_open_incoming(const struct rj_uri *uri, struct rj_conn *ret,
			    struct ramjet_error *err);

static int wrap(int rc, struct rj_conn *conn)
{
	if (rc)
		return rc;
	*conn = xor_conn_over(conn, &kind);
	atomic_fetch_add(&wrapped, 1);
	return 0;
}

int __wrap_rj_connect(const struct rj_uri *uri, uint64_t deadline_ns,
		      int wake_fd, struct rj_conn *ret,
		      struct ramjet_error *err)
{
	return wrap(__real_rj_connect(uri, deadline_ns, wake_fd, ret, err),
		    ret);
}

int __wrap_rj_connect_beside(const struct rj_conn *first,
			     const struct rj_uri *uri, uint64_t deadline_ns,
			     int wake_fd, struct rj_conn *ret,
			     struct ramjet_error *err)
{
	return wrap(__real_rj_connect_beside(first, uri, deadline_ns, wake_fd,
					     ret, err),
		    ret);
}

int __wrap_rj_accept(struct rj_listener *listener, uint64_t deadline_ns,
		     int wake_fd, struct rj_conn *ret, struct ramjet_error *err)
{
	return wrap(__real_rj_accept(listener, deadline_ns, wake_fd, ret, err),
		    ret);
}

int __wrap_rj_open_incoming(const struct rj_uri *uri, struct rj_conn *ret,
			    struct ramjet_error *err)
{
	return wrap(__real_rj_open_incoming(uri, ret, err), ret);
}

static const char *ring_reason(const struct ramjet_info *info)
{
	for (size_t i = 0; i < info->fast_path_count; i++)
		if (!strcmp(info->fast_paths[i].name, "io_uring") &&
		    !strcmp(info->fast_paths[i].chosen, "no"))
			return info->fast_paths[i].reason;
	return "there is a ring";
}

static void moves(struct move *move, enum move_over over, unsigned channels,
		  unsigned connections)
{
	static const struct xor_options kinds[] = {
		{ 0 },
		{ .piece = 8191 },
		{ .blind = true },
	};

	for (size_t i = 0; i < RJ_ARRAY_SIZE(kinds); i++) {
		kind = kinds[i];
		atomic_store(&wrapped, 0);
		move_init(move, &move_machine);
		move->source_params.channels = channels;
		move_begin(move, over);
		move_await(move);
		move_expect_done(move);
		assert_int_equal(move->info->channel_count, channels);
		assert_int_equal(atomic_load(&wrapped), connections);
		assert_string_equal(
			ring_reason(move->info),
			"io_uring: the connection is no bare socket");
		assert_string_equal(
			ring_reason(move->target_info),
			"io_uring: the connection is no bare socket");
		move_done(move);
	}
}

static void with_a_control_link_and_channels(void **state)
{
	moves(*state, MOVE_UNIX, 1, 4);
	moves(*state, MOVE_TCP, 3, 8);
}

static void one_connection_for_all(void **state)
{
	moves(*state, MOVE_SOCKETPAIR, 1, 2);
}

static void one_way(void **state)
{
	moves(*state, MOVE_PIPE, 1, 2);
}

/* Frames of the conversation arrive in many pieces. */
static void in_crumbs(void **state)
{
	static const enum move_over ways[] = { MOVE_UNIX, MOVE_SOCKETPAIR };
	struct small_vm_options is = move_machine;
	struct move *move = *state;

	is.bytes[0] = is.bytes[1] = 16 * RAMJET_PAGE_BYTES;
	kind = (struct xor_options){ .piece = 7 };
	for (size_t i = 0; i < RJ_ARRAY_SIZE(ways); i++) {
		move_init(move, &is);
		move_begin(move, ways[i]);
		move_await(move);
		move_expect_done(move);
		move_done(move);
	}
}

/* The target's helpers' bus; whoever calls it has to wait. */
static int listen_as_bus(struct move *move, struct sockaddr_un *address)
{
	struct ramjet_helper_options options = { RAMJET_HELPER_OPTIONS_INIT };
	int bus = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[128];

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(address->sun_path, sizeof(address->sun_path), "%s/bus",
		       move->folder);
	assert_int_equal(
		bind(bus, (struct sockaddr *)address, sizeof(*address)), 0);
	assert_int_equal(listen(bus, 1), 0);
	(void)snprintf(text, sizeof(text), "unix:path=%s", address->sun_path);
	options.bus_address = text;
	options.start_timeout_ms = 60000;
	assert_int_equal(
		ramjet_guest_set_helpers(move->target.guest, &options, NULL),
		0);
	return bus;
}

static void who_is_turned_away_hears_why(void **state)
{
	struct move *move = *state;
	struct sockaddr_un address;
	int bus, call;

	kind = (struct xor_options){ 0 };
	atomic_store(&wrapped, 0);
	move_init(move, &move_machine);
	bus = listen_as_bus(move, &address);
	move_listen(move);
	/* The target is not at the door yet: it waits for its helpers. */
	call = accept(bus, NULL, NULL);
	assert_true(call >= 0);
	move_send(move);
	while (!atomic_load(&wrapped))
		(void)sched_yield();
	(void)close(call);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, move->target_err.code, "target: ");
	move_expect_error(&move->source_err, move->target_err.code,
			  move->target_err.message);
	(void)close(bus);
	(void)unlink(address.sun_path);
}

static void last_words_are_heard(void **state)
{
	static const enum move_over ways[] = { MOVE_UNIX, MOVE_SOCKETPAIR };
	struct move *move = *state;

	kind = (struct xor_options){ .piece = 8191 };
	for (size_t i = 0; i < RJ_ARRAY_SIZE(ways); i++) {
		move_init(move, &move_machine);
		move->target.fails[VM_LOAD] = -EIO;
		move_begin(move, ways[i]);
		move_await(move);
		move_expect_stayed(move);
		move_expect_error(&move->source_err, -EIO, "target: ");
		move_expect_error(&move->source_err, -EIO, "told to fail");
		move_expect_movable(move);
		move_done(move);
	}
}

static void a_source_that_fails_is_heard(void **state)
{
	struct move *move = *state;

	kind = (struct xor_options){ .blind = true };
	move_init(move, &move_machine);
	move->source.fails[VM_SAVE] = -EIO;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->target_err, -EIO, "source: ");
	move_expect_movable(move);
}

/* Amid the pages, as a record that TLS cannot verify. */
static void a_connection_that_breaks_ends_the_move(void **state)
{
	static const enum move_over ways[] = { MOVE_UNIX, MOVE_SOCKETPAIR };
	struct move *move = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(ways); i++) {
		kind = (struct xor_options){ .fails = -EBADMSG,
					     .sound_bytes = 1u << 20 };
		move_init(move, &move_machine);
		move_begin(move, ways[i]);
		move_await(move);
		move_expect_stayed(move);
		kind = (struct xor_options){ 0 };
		move_expect_movable(move);
		move_done(move);
	}
}

static void who_insists_on_a_ring_is_refused(void **state)
{
	struct move *move = *state;

	kind = (struct xor_options){ 0 };
	move_init(move, &move_machine);
	move->source_params.backend = RAMJET_BACKEND_URING;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_stayed(move);
	move_expect_error(&move->source_err, -EOPNOTSUPP,
			  "the connection is no bare socket");
	move->source_params.backend = RAMJET_BACKEND_AUTO;
	move_expect_movable(move);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(with_a_control_link_and_channels),
		MOVE_TEST(one_connection_for_all),
		MOVE_TEST(one_way),
		MOVE_TEST(in_crumbs),
		MOVE_TEST(who_is_turned_away_hears_why),
		MOVE_TEST(last_words_are_heard),
		MOVE_TEST(a_source_that_fails_is_heard),
		MOVE_TEST(a_connection_that_breaks_ends_the_move),
		MOVE_TEST(who_insists_on_a_ring_is_refused),
	};

	return cmocka_run_group_tests_name("other_conns", tests, NULL, NULL);
}
