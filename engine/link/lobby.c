/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/lobby.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/error.h"

static int init(struct rj_lobby *lobby, unsigned seat_count, const char *name,
		struct ramjet_error *err)
{
	*lobby = (struct rj_lobby){
		.hello_ns = RJ_LOBBY_HELLO_NS,
		.seat_count = seat_count,
		.seats = calloc(seat_count, sizeof(*lobby->seats)),
		.name = name,
	};
	return lobby->seats ? 0
			    : rj_fail(err, -ENOMEM, "session: out of memory");
}

int rj_lobby_init(struct rj_lobby *lobby, struct rj_listener *listener,
		  struct ramjet_error *err)
{
	const int rc = init(lobby, RJ_LOBBY_SEATS, listener->bound_uri, err);

	lobby->listener = listener;
	return rc;
}

int rj_lobby_init_given(struct rj_lobby *lobby, struct rj_intake *intake,
			const char *name, struct ramjet_error *err)
{
	const int rc = init(lobby, RJ_INTAKE_MAX, name, err);

	lobby->intake = intake;
	return rc;
}

void rj_lobby_done(struct rj_lobby *lobby)
{
	for (unsigned i = 0; i < lobby->count; i++)
		(void)rj_conn_close(&lobby->seats[i].conn, 0, NULL);
	lobby->count = 0;
	free(lobby->seats);
	lobby->seats = NULL;
}

static void leave(struct rj_lobby *lobby, unsigned at, struct rj_visitor *ret)
{
	struct rj_lobby_seat *seat = &lobby->seats[at];

	ret->conn = seat->conn;
	lobby->count--;
	memmove(seat, seat + 1, (lobby->count - at) * sizeof(*seat));
}

/* The next connection that has sent its HELLO, failed to, or was silent for too
 * long. */
static bool hear(struct rj_lobby *lobby, struct rj_visitor *ret)
{
	const uint64_t now = rj_now_ns();

	for (unsigned i = 0; i < lobby->count; i++) {
		struct rj_lobby_seat *seat = &lobby->seats[i];
		int rc;

		ret->why = (struct ramjet_error){ 0 };
		rc = rj_hello_read(&seat->conn, &seat->reader, &ret->hello,
				   &ret->why);
		if (!rc && seat->deadline_ns && now >= seat->deadline_ns)
			rc = rj_fail(&ret->why, -ETIMEDOUT,
				     "handshake: no HELLO within %llu ms",
				     (unsigned long long)seat->hello_ns /
					     1000000);
		if (rc) {
			leave(lobby, i, ret);
			return true;
		}
	}
	return false;
}

/* Refuse the connection that has been silent longest, to free its seat. */
static void make_room(struct rj_lobby *lobby, struct rj_visitor *ret)
{
	ret->why = (struct ramjet_error){ 0 };
	(void)rj_fail(&ret->why, -EBUSY,
		      "handshake: no HELLO yet, and %u others wait",
		      RJ_LOBBY_SEATS);
	leave(lobby, 0, ret);
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns && (!b_ns || a_ns < b_ns) ? a_ns : b_ns;
}

static int timeout_ms(const struct rj_lobby *lobby, uint64_t deadline_ns)
{
	const uint64_t now = rj_now_ns();
	uint64_t first_ns = earlier(deadline_ns, lobby->nap_ns);
	uint64_t left_ms;

	for (unsigned i = 0; i < lobby->count; i++)
		first_ns = earlier(first_ns, lobby->seats[i].deadline_ns);
	if (!first_ns)
		return -1;
	left_ms = first_ns > now ? (first_ns - now) / 1000000 + 1 : 0;
	return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

/* Where a newcomer shows; -1: none is wanted now. */
static int door_fd(const struct rj_lobby *lobby)
{
	if (lobby->nap_ns > rj_now_ns())
		return -1;
	if (lobby->listener)
		return lobby->listener->fd;
	/* Nobody has to leave for those who were given: they wait outside. */
	return lobby->count < lobby->seat_count ? lobby->intake->fd : -1;
}

/* -ECANCELED, another error, or whether a connection can be accepted (1) or not
 * (0). */
static int watch(const struct rj_lobby *lobby, uint64_t deadline_ns,
		 int wake_fd)
{
	struct pollfd fds[2 + RJ_INTAKE_MAX] = {
		{ .fd = wake_fd, .events = POLLIN },
		{ .fd = door_fd(lobby), .events = POLLIN },
	};
	int patience_ms = timeout_ms(lobby, deadline_ns);

	for (unsigned i = 0; i < lobby->count; i++)
		fds[2 + i] = rj_conn_pollfd(&lobby->seats[i].conn, POLLIN,
					    &patience_ms);
	if (poll(fds, 2 + lobby->count, patience_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[0].revents)
		return -ECANCELED;
	return fds[1].revents != 0;
}

/* No descriptor or memory, of the machine or of this process: it may pass. */
static bool is_shortage(int rc)
{
	return rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM ||
	       rc == -ENOBUFS;
}

/* Log it: without a deadline there would be no error to read it in. */
static void take_a_nap(struct rj_lobby *lobby, const struct ramjet_error *why)
{
	lobby->nap_ns = rj_now_ns() + RJ_LOBBY_NAP_NS;
	lobby->shortage = *why;
	if (lobby->log && !lobby->shortage_said)
		rj_log(lobby->log, RJ_LOG_WARNING,
		       "%s; new connections have to wait", why->message);
	lobby->shortage_said = true;
}

static void sit_down(struct rj_lobby *lobby, uint64_t hello_ns)
{
	struct rj_lobby_seat *seat = &lobby->seats[lobby->count++];

	seat->hello_ns = hello_ns;
	seat->deadline_ns = hello_ns ? rj_now_ns() + hello_ns : 0;
	seat->reader = (struct rj_hello_reader){ 0 };
}

static void let_in_given(struct rj_lobby *lobby)
{
	struct rj_arrival arrival;

	if (!rj_intake_take(lobby->intake, &arrival))
		return;
	lobby->seats[lobby->count].conn = arrival.conn;
	sit_down(lobby, arrival.hello_ns);
}

static int accept_one(struct rj_lobby *lobby, int wake_fd,
		      struct ramjet_error *err)
{
	struct rj_lobby_seat *seat = &lobby->seats[lobby->count];
	struct ramjet_error why = { 0 };
	/* The connection may be gone by now: then do not wait for another. */
	const int rc = rj_accept(lobby->listener, rj_now_ns(), wake_fd,
				 &seat->conn, &why);

	lobby->nap_ns = 0;
	if (rc == -ETIMEDOUT)
		return 0;
	if (is_shortage(rc)) {
		take_a_nap(lobby, &why);
		return 0;
	}
	if (rc)
		return rj_fail(err, rc, "%s", why.message);
	lobby->shortage = (struct ramjet_error){ 0 };
	sit_down(lobby, lobby->hello_ns);
	return 0;
}

static int let_in(struct rj_lobby *lobby, int wake_fd, struct ramjet_error *err)
{
	if (!lobby->intake)
		return accept_one(lobby, wake_fd, err);
	let_in_given(lobby);
	return 0;
}

static int give_up(const struct rj_lobby *lobby, int rc,
		   struct ramjet_error *err)
{
	if (rc == -ETIMEDOUT && lobby->shortage.code)
		return rj_fail(err, rc, "%s", lobby->shortage.message);
	return rj_fail_errno(err, rc, "accept on %s", lobby->name);
}

int rj_lobby_next(struct rj_lobby *lobby, uint64_t deadline_ns, int wake_fd,
		  struct rj_visitor *ret, struct ramjet_error *err)
{
	int rc = 0;

	for (;;) {
		if (deadline_ns && rj_now_ns() >= deadline_ns)
			rc = -ETIMEDOUT;
		if (rc < 0)
			return give_up(lobby, rc, err);
		if (rc > 0 && lobby->count == lobby->seat_count) {
			make_room(lobby, ret);
			return 0;
		}
		if (rc > 0)
			rc = let_in(lobby, wake_fd, err);
		if (rc)
			return rc;
		if (hear(lobby, ret))
			return 0;
		rc = watch(lobby, deadline_ns, wake_fd);
	}
}
