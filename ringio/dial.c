/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/dial.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "ringio/address.h"
#include "ringio/tune.h"
#include "util/cleanup.h"
#include "util/clock.h"

struct race {
	unsigned count; /* of those to try, in this order */
	unsigned begun;
	unsigned open; /* under way */
	uint64_t next_ns;
	struct attempt {
		const struct addrinfo *info;
		int fd; /* -1: not begun, or lost */
		int rc; /* why it was lost */
	} attempts[RJ_DIAL_MAX];
};

/* ---- words ---- */

static const struct sockaddr_in6 *link_local(const struct addrinfo *info)
{
	const struct sockaddr_in6 *address;

	if (info->ai_family != AF_INET6)
		return NULL;
	address = (const struct sockaddr_in6 *)(const void *)info->ai_addr;
	return IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr) ? address : NULL;
}

void rj_address_explain(const struct addrinfo *info, int rc, char *text,
			size_t size)
{
	const struct sockaddr_in6 *local = link_local(info);
	char where[RJ_ADDRESS_TEXT_MAX], error[64];
	union rj_address address;

	memcpy(&address, info->ai_addr, info->ai_addrlen);
	rj_address_format(&address, info->ai_addrlen, where, sizeof(where));
	if (rc == -EINVAL && local && !local->sin6_scope_id)
		(void)snprintf(text, size,
			       "%s: a link-local address, which wants the "
			       "interface it is on, as in [fe80::1%%eth0]",
			       where);
	else
		(void)snprintf(text, size, "%s: %s", where,
			       strerror_r(-rc, error, sizeof(error)));
}

static void explain_all(const struct race *race, char *reasons)
{
	size_t used = 0;

	*reasons = '\0';
	for (unsigned i = 0; i < race->count && used < RJ_DIAL_REASONS; i++) {
		char text[RJ_DIAL_REASONS];

		rj_address_explain(race->attempts[i].info, race->attempts[i].rc,
				   text, sizeof(text));
		used += (size_t)snprintf(reasons + used, RJ_DIAL_REASONS - used,
					 "%s%s", used ? "; " : "", text);
	}
}

/* ---- one attempt ---- */

/* If nothing listens on the port, the kernel may pick it as our own, and the
 * socket connects to itself. */
static bool is_self_connected(int fd)
{
	union rj_address here, there;
	socklen_t here_bytes = sizeof(here), there_bytes = sizeof(there);

	memset(&here, 0, sizeof(here));
	memset(&there, 0, sizeof(there));
	return !getsockname(fd, &here.any, &here_bytes) &&
	       !getpeername(fd, &there.any, &there_bytes) &&
	       here_bytes == there_bytes && !memcmp(&here, &there, here_bytes);
}

/* 1: connected, 0: under way, or a negative errno. */
static int begin(struct attempt *attempt)
{
	const struct addrinfo *info = attempt->info;
	rj_autoclose int fd = socket(info->ai_family,
				     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				     info->ai_protocol);
	int rc;

	if (fd < 0)
		return -errno;
	/* Before connecting: the handshake counts as unacknowledged too. */
	rc = rj_tune(fd, RJ_CONN_TCP);
	if (rc)
		return rc;
	rc = connect(fd, info->ai_addr, info->ai_addrlen) ? -errno : 1;
	if (rc < 0 && rc != -EINPROGRESS && rc != -EINTR)
		return rc;
	attempt->fd = rj_steal_fd(&fd);
	return rc > 0;
}

/* The connection attempt is over: 1 for connected, or a negative errno. */
static int outcome(const struct attempt *attempt)
{
	socklen_t bytes = sizeof(int);
	int error = 0;

	if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &bytes))
		return -errno;
	if (error)
		return -error;
	return is_self_connected(attempt->fd) ? -ECONNREFUSED : 1;
}

/* ---- all of them ---- */

/* The family that the system prefers goes first, then they take turns. */
static void line_up(struct race *race, const struct addrinfo *list)
{
	const struct addrinfo *preferred = list, *others = list;
	const int family = list ? list->ai_family : AF_UNSPEC;

	while (race->count < RJ_DIAL_MAX && (preferred || others)) {
		while (preferred && preferred->ai_family != family)
			preferred = preferred->ai_next;
		while (others && others->ai_family == family)
			others = others->ai_next;
		if (preferred) {
			race->attempts[race->count++].info = preferred;
			preferred = preferred->ai_next;
		}
		if (others && race->count < RJ_DIAL_MAX) {
			race->attempts[race->count++].info = others;
			others = others->ai_next;
		}
	}
	for (unsigned i = 0; i < race->count; i++)
		race->attempts[i].fd = -1;
}

static void lose(struct race *race, struct attempt *attempt, int rc)
{
	attempt->rc = rc;
	if (attempt->fd >= 0)
		race->open--;
	rj_close_fd(&attempt->fd);
	race->next_ns = 0; /* no reason to wait any longer */
}

/* The winner, or NULL. */
static struct attempt *begin_next(struct race *race)
{
	struct attempt *attempt = &race->attempts[race->begun++];
	int rc = begin(attempt);

	race->next_ns = rj_now_ns() + RJ_DIAL_STAGGER_NS;
	if (rc >= 0)
		race->open++;
	if (rc > 0)
		rc = outcome(attempt);
	if (rc < 0)
		lose(race, attempt, rc);
	return rc > 0 ? attempt : NULL;
}

static int wait_ms(const struct race *race, uint64_t deadline_ns)
{
	const uint64_t now = rj_now_ns();
	uint64_t until_ns = deadline_ns;
	uint64_t ms;

	if (race->begun < race->count &&
	    (!until_ns || race->next_ns < until_ns))
		until_ns = race->next_ns;
	if (!until_ns)
		return -1;
	ms = until_ns > now ? (until_ns - now + 999999) / 1000000 : 0;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* Sleep until something happens. -ECANCELED, another error, or 0 and the
 * winner if there is one. */
static int watch(struct race *race, uint64_t deadline_ns, int wake_fd,
		 struct attempt **ret_winner)
{
	struct pollfd fds[RJ_DIAL_MAX + 1];

	for (unsigned i = 0; i < race->begun; i++)
		fds[i] = (struct pollfd){ .fd = race->attempts[i].fd,
					  .events = POLLOUT };
	fds[race->begun] = (struct pollfd){ .fd = wake_fd, .events = POLLIN };
	if (poll(fds, race->begun + 1, wait_ms(race, deadline_ns)) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[race->begun].revents)
		return -ECANCELED;
	for (unsigned i = 0; i < race->begun && !*ret_winner; i++) {
		struct attempt *attempt = &race->attempts[i];
		int rc = fds[i].revents ? outcome(attempt) : 0;

		if (rc < 0)
			lose(race, attempt, rc);
		if (rc > 0)
			*ret_winner = attempt;
	}
	return 0;
}

static int run(struct race *race, uint64_t deadline_ns, int wake_fd,
	       struct attempt **ret_winner)
{
	int rc = 0;

	while (!rc && !*ret_winner) {
		const uint64_t now = rj_now_ns();
		const bool more = race->begun < race->count;

		if (!more && !race->open)
			return race->count ? race->attempts[0].rc
					   : -EADDRNOTAVAIL;
		if (deadline_ns && now >= deadline_ns)
			return -ETIMEDOUT;
		if (more && (!race->open || now >= race->next_ns))
			*ret_winner = begin_next(race);
		else
			rc = watch(race, deadline_ns, wake_fd, ret_winner);
	}
	return rc;
}

int rj_dial(const struct addrinfo *list, uint64_t deadline_ns, int wake_fd,
	    struct rj_conn *ret, char *reasons)
{
	struct attempt *winner = NULL;
	struct race race = { 0 };
	int rc;

	line_up(&race, list);
	rc = run(&race, deadline_ns, wake_fd, &winner);
	if (winner)
		*ret = rj_conn_bare(rj_steal_fd(&winner->fd), RJ_CONN_TCP);
	for (unsigned i = 0; i < race.count; i++) {
		struct attempt *attempt = &race.attempts[i];

		if (attempt->fd >= 0 || !attempt->rc)
			attempt->rc = rc;
		rj_close_fd(&attempt->fd);
	}
	explain_all(&race, reasons);
	return rc;
}
