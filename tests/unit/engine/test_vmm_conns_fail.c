/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections of the VMM's own that can't be had, or are of no use. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ramjet-helper.h"
#include "tests/unit/engine/vmm_conns.h"

static void await_source(struct vmm_conns *vmm)
{
	assert_int_not_equal(ramjet_wait(vmm->move.outgoing, 60000, NULL),
			     -ETIMEDOUT);
}

/* The source has failed before the target heard anything of it. */
static void expect_alone(struct vmm_conns *vmm, int code, const char *part)
{
	await_source(vmm);
	assert_int_equal(ramjet_cancel(vmm->move.incoming), 0);
	move_await(&vmm->move);
	move_expect_stayed(&vmm->move);
	move_expect_error(&vmm->move.source_err, code, part);
	move_expect_error(&vmm->move.target_err, -ECANCELED, "");
	move_expect_movable(&vmm->move);
}

static int refused(struct vmm_conns *vmm,
		   const struct ramjet_connect_request *request,
		   struct ramjet_connection *ret, struct ramjet_error *err)
{
	(void)vmm;
	(void)request;
	(void)ret;
	(void)snprintf(err->message, sizeof(err->message),
		       "tls: bad certificate");
	return -EPERM;
}

static int wordless(struct vmm_conns *vmm,
		    const struct ramjet_connect_request *request,
		    struct ramjet_connection *ret, struct ramjet_error *err)
{
	(void)vmm;
	(void)request;
	(void)ret;
	(void)err;
	return -ECONNREFUSED;
}

static int nothing(struct vmm_conns *vmm,
		   const struct ramjet_connect_request *request,
		   struct ramjet_connection *ret, struct ramjet_error *err)
{
	(void)vmm;
	(void)request;
	(void)ret;
	(void)err;
	return 0;
}

static int a_pipe(struct vmm_conns *vmm,
		  const struct ramjet_connect_request *request,
		  struct ramjet_connection *ret, struct ramjet_error *err)
{
	int fds[2];

	(void)vmm;
	(void)request;
	(void)err;
	if (pipe2(fds, O_CLOEXEC))
		abort();
	(void)close(fds[0]);
	ret->fd = fds[1];
	return 0;
}

static int unconnected(struct vmm_conns *vmm,
		       const struct ramjet_connect_request *request,
		       struct ramjet_connection *ret, struct ramjet_error *err)
{
	(void)vmm;
	(void)request;
	(void)err;
	ret->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return 0;
}

static void no_control_link(void **state)
{
	static const struct {
		int (*special)(struct vmm_conns *,
			       const struct ramjet_connect_request *,
			       struct ramjet_connection *,
			       struct ramjet_error *);
		int code;
		const char *message;
	} rows[] = {
		{ refused, -EPERM, "connect vmm:test: tls: bad certificate" },
		{ wordless, -ECONNREFUSED, "connect vmm:test: connector: " },
		{ nothing, -EINVAL,
		  "connect vmm:test: connection: neither, wanted a descriptor "
		  "or operations" },
		{ a_pipe, -EINVAL, "is no socket, wanted one" },
		{ unconnected, -ENOTCONN, "wanted a connected socket" },
	};
	struct vmm_conns *vmm = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++) {
		vmm_init(vmm, 2);
		vmm->special_channel = RAMJET_CONNECT_CONTROL;
		vmm->special = rows[i].special;
		vmm_begin(vmm);
		expect_alone(vmm, rows[i].code, rows[i].message);
		vmm_done(vmm);
	}
}

static void no_third_channel(void **state)
{
	struct vmm_conns *vmm = *state;

	for (unsigned i = 0; i < 2; i++) {
		vmm_init(vmm, 4);
		vmm->by_operations = i;
		vmm->special_channel = 3;
		vmm->special = refused;
		vmm_begin(vmm);
		move_await(&vmm->move);
		move_expect_stayed(&vmm->move);
		move_expect_error(
			&vmm->move.source_err, -EPERM,
			"channel 3: connect vmm:test: tls: bad certificate");
		move_expect_error(&vmm->move.target_err, -EPERM, "source: ");
		move_expect_movable(&vmm->move);
		vmm_done(vmm);
	}
}

static int until_cancelled(struct vmm_conns *vmm,
			   const struct ramjet_connect_request *request,
			   struct ramjet_connection *ret,
			   struct ramjet_error *err)
{
	struct pollfd cancel = { .fd = request->cancel_fd, .events = POLLIN };

	(void)vmm;
	(void)ret;
	(void)err;
	return poll(&cancel, 1, 60000) == 1 ? -ECANCELED : -ETIMEDOUT;
}

/* Deaf to the cancel, and successful after it. */
static int late(struct vmm_conns *vmm,
		const struct ramjet_connect_request *request,
		struct ramjet_connection *ret, struct ramjet_error *err)
{
	int fds[2];

	(void)until_cancelled(vmm, request, ret, err);
	vmm_pair(fds);
	(void)close(fds[1]);
	*ret = vmm_connection(vmm, fds[0]);
	return 0;
}

/* Until the time is over; then what was asked for. */
static int overdue(struct vmm_conns *vmm,
		   const struct ramjet_connect_request *request,
		   struct ramjet_connection *ret, struct ramjet_error *err)
{
	struct ramjet_connection given;
	int fds[2];

	(void)poll(NULL, 0, (int)request->timeout_ms + 1);
	vmm_pair(fds);
	given = vmm_connection(vmm, fds[1]);
	*ret = vmm_connection(vmm, fds[0]);
	return ramjet_incoming_give(vmm->move.incoming, &given, err);
}

static void no_time_is_left_for_the_next(void **state)
{
	struct vmm_conns *vmm = *state;

	vmm_init(vmm, 3);
	vmm->move.source_params.connect_timeout_ms = 1000;
	vmm->special_channel = 1;
	vmm->special = overdue;
	vmm_begin(vmm);
	move_await(&vmm->move);
	move_expect_stayed(&vmm->move);
	move_expect_error(&vmm->move.source_err, -ETIMEDOUT, "no time is left");
	/* Control, channels 0 and 1. */
	assert_int_equal(vmm->request_count, 3);
	vmm_done(vmm);
}

static void await_call(struct vmm_conns *vmm)
{
	while (!atomic_load(&vmm->called))
		(void)sched_yield();
}

static void a_slow_one_is_cancelled(void **state)
{
	struct vmm_conns *vmm = *state;

	for (unsigned i = 0; i < 4; i++) {
		vmm_init(vmm, 3);
		vmm->by_operations = i & 1;
		vmm->special = i & 2 ? late : until_cancelled;
		vmm->special_channel = RAMJET_CONNECT_CONTROL;
		vmm_begin(vmm);
		await_call(vmm);
		assert_int_equal(ramjet_cancel(vmm->move.outgoing), 0);
		expect_alone(vmm, -ECANCELED, "");
		vmm_done(vmm);

		vmm_init(vmm, 3);
		vmm->by_operations = i & 1;
		vmm->special = i & 2 ? late : until_cancelled;
		vmm->special_channel = 2;
		vmm_begin(vmm);
		await_call(vmm);
		assert_int_equal(ramjet_cancel(vmm->move.outgoing), 0);
		move_await(&vmm->move);
		move_expect_stayed(&vmm->move);
		assert_int_equal(vmm->move.source_rc, -ECANCELED);
		move_expect_error(&vmm->move.target_err, -ECONNABORTED,
				  "the source cancelled");
		vmm_done(vmm);
	}
}

/* The handle is freed while the VMM connects. */
static void a_slow_one_is_freed(void **state)
{
	struct vmm_conns *vmm = *state;

	vmm_init(vmm, 3);
	vmm->special = until_cancelled;
	vmm->special_channel = 1;
	vmm_begin(vmm);
	await_call(vmm);
	assert_int_equal(ramjet_migration_free(vmm->move.outgoing), 0);
	vmm->move.outgoing = NULL;
	assert_true(ramjet_wait(vmm->move.incoming, 60000, NULL) < 0);
	assert_true(atomic_load(&vmm->move.source.running));
}

static void no_limit_is_said_by_0(void **state)
{
	struct vmm_conns *vmm = *state;

	vmm_init(vmm, 1);
	vmm->move.source_params.connect_timeout_ms = 0;
	vmm_begin(vmm);
	move_await(&vmm->move);
	move_expect_done(&vmm->move);
	assert_int_equal(vmm->request_count, 2);
	assert_int_equal(vmm->requests[0].timeout_ms, 0);
	assert_int_equal(vmm->requests[1].timeout_ms, 0);
}

static void a_target_that_refuses_is_heard(void **state)
{
	struct small_vm_options other = move_machine;
	struct vmm_conns *vmm = *state;

	for (unsigned i = 0; i < 2; i++) {
		vmm_init(vmm, 2);
		move_done(&vmm->move);
		other.bytes[0] = 8u << 20;
		move_init_two(&vmm->move, &move_machine, &other);
		vmm->by_operations = i;
		vmm_begin(vmm);
		move_await(&vmm->move);
		move_expect_stayed(&vmm->move);
		move_expect_error(&vmm->move.source_err, vmm->move.target_rc,
				  "target: ");
		vmm_done(vmm);
	}
}

/* Amid the pages. */
static void one_that_breaks_ends_the_move(void **state)
{
	struct vmm_conns *vmm = *state;

	vmm_init(vmm, 2);
	vmm->by_operations = true;
	vmm->kind = (struct xor_options){ .fails = -EBADMSG,
					  .sound_bytes = 1u << 20 };
	vmm_begin(vmm);
	move_await(&vmm->move);
	move_expect_stayed(&vmm->move);
	move_expect_movable(&vmm->move);
}

/* The target's helpers' bus; whoever calls it has to wait. */
static int listen_as_bus(struct vmm_conns *vmm, struct sockaddr_un *address)
{
	struct ramjet_helper_options options = { RAMJET_HELPER_OPTIONS_INIT };
	int bus = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[128];

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(address->sun_path, sizeof(address->sun_path), "%s/bus",
		       vmm->move.folder);
	assert_int_equal(
		bind(bus, (struct sockaddr *)address, sizeof(*address)), 0);
	assert_int_equal(listen(bus, 1), 0);
	(void)snprintf(text, sizeof(text), "unix:path=%s", address->sun_path);
	options.bus_address = text;
	options.start_timeout_ms = 60000;
	assert_int_equal(ramjet_guest_set_helpers(vmm->move.target.guest,
						  &options, NULL),
			 0);
	return bus;
}

static void who_is_turned_away_hears_why(void **state)
{
	struct vmm_conns *vmm = *state;
	struct sockaddr_un address;
	int bus, call, silent[2];

	vmm_init(vmm, 1);
	vmm->by_operations = true;
	bus = listen_as_bus(vmm, &address);
	vmm_listen(vmm);
	/* The target is not at the door yet: it waits for its helpers. */
	call = accept(bus, NULL, NULL);
	assert_true(call >= 0);
	vmm_pair(silent);
	vmm_give(vmm, silent[1]);
	vmm_send(vmm);
	/* This pair, and the silent one's end. */
	while (atomic_load(&vmm->opened) < 3)
		(void)sched_yield();
	(void)close(call);
	move_await(&vmm->move);
	move_expect_stayed(&vmm->move);
	move_expect_error(&vmm->move.source_err, vmm->move.target_err.code,
			  vmm->move.target_err.message);
	(void)close(silent[0]);
	(void)close(bus);
	(void)unlink(address.sun_path);
}

/* One that never says anything, and needs no descriptor. */
static ssize_t mute(void *user, const struct iovec *iov, unsigned count)
{
	(void)user;
	(void)iov;
	(void)count;
	return -EAGAIN;
}

static void count_closed(void *user)
{
	atomic_fetch_add((_Atomic unsigned *)user, 1);
}

static void too_many_stay_the_callers(void **state)
{
	struct ramjet_connection_ops ops = { RAMJET_CONNECTION_OPS_INIT,
					     .send = mute, .receive = mute,
					     .close = count_closed };
	struct ramjet_connection given = { RAMJET_CONNECTION_INIT,
					   .ops = &ops };
	_Atomic unsigned closed = 0;
	struct vmm_conns *vmm = *state;
	struct sockaddr_un address;
	struct ramjet_error err;
	unsigned taken = 0;
	int bus, rc;

	vmm_init(vmm, 1);
	given.user = &closed;
	bus = listen_as_bus(vmm, &address);
	/* The target waits for its helpers, and takes nobody in. */
	vmm_listen(vmm);
	while (!(rc = ramjet_incoming_give(vmm->move.incoming, &given, &err)))
		taken++;
	move_expect_error(&err, -EBUSY, "wait already");
	assert_int_equal(rc, -EBUSY);
	assert_true(taken > RAMJET_CHANNELS_MAX);
	assert_int_equal(atomic_load(&closed), 0);
	assert_int_equal(ramjet_migration_free(vmm->move.incoming), 0);
	vmm->move.incoming = NULL;
	assert_int_equal(atomic_load(&closed), taken);
	(void)close(bus);
	(void)unlink(address.sun_path);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct ramjet_connection_ops ops = { RAMJET_CONNECTION_OPS_INIT };
	struct ramjet_connection given = { RAMJET_CONNECTION_INIT };
	struct ramjet_migration *migration = NULL;
	struct ramjet_error err = { 0 };
	struct vmm_conns *vmm = *state;
	int fds[2];

	vmm_init(vmm, 1);
	vmm->connector.flags = 8;
	assert_int_equal(ramjet_migrate_over(vmm->move.source.guest,
					     &vmm->connector, NULL, &migration,
					     &err),
			 -EINVAL);
	move_expect_error(&err, -EINVAL, "unknown flags 0x8");
	vmm->connector.flags = 0;
	vmm->connector.connect = NULL;
	assert_int_equal(ramjet_migrate_over(vmm->move.source.guest,
					     &vmm->connector, NULL, &migration,
					     &err),
			 -EINVAL);
	assert_int_equal(ramjet_migrate_over(vmm->move.source.guest, NULL, NULL,
					     &migration, &err),
			 -EINVAL);
	vmm_listen(vmm);
	assert_int_equal(ramjet_incoming_give(NULL, &given, &err), -EINVAL);
	assert_int_equal(ramjet_incoming_give(vmm->move.incoming, NULL, &err),
			 -EINVAL);
	assert_int_equal(ramjet_incoming_give(vmm->move.incoming, &given, &err),
			 -EINVAL);
	move_expect_error(&err, -EINVAL, "neither");
	given.ops = &ops;
	assert_int_equal(ramjet_incoming_give(vmm->move.incoming, &given, &err),
			 -EINVAL);
	move_expect_error(&err, -EINVAL, "operations without send");
	vmm_pair(fds);
	given.fd = fds[0];
	assert_int_equal(ramjet_incoming_give(vmm->move.incoming, &given, &err),
			 -EINVAL);
	move_expect_error(&err, -EINVAL, "both");
	(void)close(fds[0]);
	(void)close(fds[1]);
	/* What listens is given nothing. */
	assert_int_equal(ramjet_migration_free(vmm->move.incoming), 0);
	vmm->move.incoming = NULL;
	move_listen(&vmm->move);
	assert_int_equal(ramjet_incoming_give(vmm->move.incoming, &given, &err),
			 -EINVAL);
	move_expect_error(&err, -EINVAL,
			  "wanted one of ramjet_incoming_over()");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VMM_TEST(no_control_link),
		VMM_TEST(no_third_channel),
		VMM_TEST(no_time_is_left_for_the_next),
		VMM_TEST(a_slow_one_is_cancelled),
		VMM_TEST(a_slow_one_is_freed),
		VMM_TEST(no_limit_is_said_by_0),
		VMM_TEST(a_target_that_refuses_is_heard),
		VMM_TEST(one_that_breaks_ends_the_move),
		VMM_TEST(who_is_turned_away_hears_why),
		VMM_TEST(too_many_stay_the_callers),
		VMM_TEST(what_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests_name("vmm_conns_fail", tests, NULL, NULL);
}
