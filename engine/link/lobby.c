/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/lobby.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "util/clock.h"
#include "util/error.h"

void rj_lobby_init(struct rj_lobby *lobby, struct rj_listener *listener)
{
	lobby->listener = listener;
	lobby->hello_ns = RJ_LOBBY_HELLO_NS;
	lobby->nap_ns = 0;
	lobby->shortage = (struct ramjet_error){ 0 };
	lobby->count = 0;
	lobby->log = NULL;
	lobby->shortage_said = false;
}

void rj_lobby_done(struct rj_lobby *lobby)
{
	for (unsigned i = 0; i < lobby->count; i++)
		(void)rj_conn_close(&lobby->seats[i].conn, 0, NULL);
	lobby->count = 0;
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
		if (!rc && now >= seat->deadline_ns)
			rc = rj_fail(&ret->why, -ETIMEDOUT,
				     "handshake: no HELLO within %llu ms",
				     (unsigned long long)lobby->hello_ns /
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

	if (lobby->count)
		first_ns = earlier(first_ns, lobby->seats[0].deadline_ns);
	if (!first_ns)
		return -1;
	left_ms = first_ns > now ? (first_ns - now) / 1000000 + 1 : 0;
	return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

/* -ECANCELED, another error, or whether a connection can be accepted (1) or not
 * (0). */
static int watch(const struct rj_lobby *lobby, uint64_t deadline_ns,
		 int wake_fd)
{
	const bool naps = lobby->nap_ns > rj_now_ns();
	struct pollfd fds[2 + RJ_LOBBY_SEATS] = {
		{ .fd = wake_fd, .events = POLLIN },
		{ .fd = naps ? -1 : lobby->listener->fd, .events = POLLIN },
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

static int let_in(struct rj_lobby *lobby, int wake_fd, struct ramjet_error *err)
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
	seat->deadline_ns = rj_now_ns() + lobby->hello_ns;
	seat->reader = (struct rj_hello_reader){ 0 };
	lobby->count++;
	return 0;
}

static int give_up(const struct rj_lobby *lobby, int rc,
		   struct ramjet_error *err)
{
	if (rc == -ETIMEDOUT && lobby->shortage.code)
		return rj_fail(err, rc, "%s", lobby->shortage.message);
	return rj_fail_errno(err, rc, "accept on %s",
			     lobby->listener->bound_uri);
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
		if (rc > 0 && lobby->count == RJ_LOBBY_SEATS) {
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
