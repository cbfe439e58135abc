/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/listen_tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ringio/address.h"
#include "ringio/dial.h"
#include "ringio/resolve.h"
#include "util/cleanup.h"
#include "util/error.h"

#define STREAM_FLAGS (SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)
/* A free port of one address may be taken on another. Chosen: twice in a row is
 * rare already. */
#define PORT_TRIES 16u

static bool is_any6(const struct addrinfo *info)
{
	const struct sockaddr_in6 *address =
		(const struct sockaddr_in6 *)(const void *)info->ai_addr;

	return info->ai_family == AF_INET6 &&
	       IN6_IS_ADDR_UNSPECIFIED(&address->sin6_addr);
}

static void set_port(union rj_address *address, uint16_t port)
{
	if (address->any.sa_family == AF_INET)
		((struct sockaddr_in *)&address->storage)->sin_port =
			htons(port);
	else
		((struct sockaddr_in6 *)&address->storage)->sin6_port =
			htons(port);
}

static uint16_t port_of(int fd)
{
	union rj_address address;
	socklen_t bytes = sizeof(address);

	if (getsockname(fd, &address.any, &bytes))
		return 0;
	return ntohs(
		address.any.sa_family == AF_INET
			? ((struct sockaddr_in *)&address.storage)->sin_port
			: ((struct sockaddr_in6 *)&address.storage)->sin6_port);
}

/* [::] takes IPv4 as well. */
static int listen_at(const struct addrinfo *info, uint16_t port)
{
	static const int on = 1;
	const int only_v6 = !is_any6(info);
	rj_autoclose int fd = -1;
	union rj_address address;

	memcpy(&address, info->ai_addr, info->ai_addrlen);
	if (port)
		set_port(&address, port);
	fd = socket(info->ai_family, STREAM_FLAGS, info->ai_protocol);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    (info->ai_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6,
			sizeof(only_v6))) ||
	    bind(fd, &address.any, info->ai_addrlen) || listen(fd, SOMAXCONN))
		return -errno;
	return rj_steal_fd(&fd);
}

/* A name may have addresses of other hosts, or of a family that is switched
 * off here: those alone are passed over. */
static bool is_elsewhere(int rc)
{
	return rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT;
}

static void close_all(struct rj_listener *listener)
{
	for (unsigned i = 0; i < listener->socket_count; i++)
		rj_close_fd(&listener->sockets[i]);
	listener->socket_count = 0;
}

static bool is_listed_before(const struct addrinfo *list,
			     const struct addrinfo *info)
{
	for (; list != info; list = list->ai_next)
		if (list->ai_addrlen == info->ai_addrlen &&
		    !memcmp(list->ai_addr, info->ai_addr, info->ai_addrlen))
			return true;
	return false;
}

/* *ret_at: what could not be bound. */
static int listen_everywhere(const struct addrinfo *list, uint16_t port,
			     struct rj_listener *listener,
			     const struct addrinfo **ret_at)
{
	int rc = -EADDRNOTAVAIL;

	*ret_at = list;
	for (const struct addrinfo *p = list;
	     p && listener->socket_count < RJ_LISTENER_SOCKETS_MAX;
	     p = p->ai_next) {
		int fd = is_listed_before(list, p) ? -EADDRNOTAVAIL
						   : listen_at(p, port);

		if (fd < 0 && is_elsewhere(fd))
			continue;
		if (fd < 0) {
			*ret_at = p;
			close_all(listener);
			return fd;
		}
		listener->sockets[listener->socket_count++] = fd;
		port = port_of(fd);
		rc = 0;
	}
	return rc;
}

/* IPv6 first: its wildcard serves IPv4 as well. */
static int listen_anywhere(const struct addrinfo *list,
			   struct rj_listener *listener,
			   const struct addrinfo **ret_at)
{
	int first = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (const struct addrinfo *p = list; p; p = p->ai_next) {
			int fd;

			if ((p->ai_family == AF_INET6) != !pass)
				continue;
			fd = listen_at(p, 0);
			if (fd >= 0) {
				listener->sockets[0] = fd;
				listener->socket_count = 1;
				return 0;
			}
			if (!first)
				*ret_at = p;
			first = first ? first : fd;
		}
	}
	return first ? first : -EADDRNOTAVAIL;
}

static int listen_on(const struct addrinfo *list, const struct rj_uri *uri,
		     struct rj_listener *listener,
		     const struct addrinfo **ret_at)
{
	unsigned tries = uri->port ? 1 : PORT_TRIES;
	int rc = -EADDRINUSE;

	*ret_at = list;
	if (!*uri->host)
		return listen_anywhere(list, listener, ret_at);
	while (rc == -EADDRINUSE && tries--)
		rc = listen_everywhere(list, uri->port, listener, ret_at);
	return rc;
}

/* One descriptor that is readable when any of the sockets is. */
static int watch_all(struct rj_listener *listener)
{
	struct epoll_event event = { .events = EPOLLIN };
	rj_autoclose int fd = -1;

	if (listener->socket_count == 1) {
		listener->fd = listener->sockets[0];
		return 0;
	}
	fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (unsigned i = 0; i < listener->socket_count; i++)
		if (epoll_ctl(fd, EPOLL_CTL_ADD, listener->sockets[i], &event))
			return -errno;
	listener->fd = rj_steal_fd(&fd);
	return 0;
}

static void format_bound(int fd, char *text, size_t size)
{
	char where[RJ_ADDRESS_TEXT_MAX] = "unknown";
	union rj_address address;
	socklen_t bytes = sizeof(address);

	if (!getsockname(fd, &address.any, &bytes))
		rj_address_format(&address, bytes, where, sizeof(where));
	(void)snprintf(text, size, "tcp:%s", where);
}

/* Ports below this are for those with a capability. */
static unsigned privileged_ports(void)
{
	char text[16] = "";
	rj_autoclose int fd =
		open("/proc/sys/net/ipv4/ip_unprivileged_port_start",
		     O_RDONLY | O_CLOEXEC);
	unsigned ports = 1024;

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		(void)sscanf(text, "%u", &ports);
	return ports;
}

static int refuse(const struct rj_uri *uri, int rc, const struct addrinfo *at,
		  struct ramjet_error *err)
{
	char text[RJ_ADDRESS_TEXT_MAX], why[RJ_DIAL_REASONS];
	const unsigned privileged = rc == -EACCES ? privileged_ports() : 0;

	rj_uri_format(uri, text, sizeof(text));
	rj_address_explain(at, rc, why, sizeof(why));
	if (uri->port && uri->port < privileged)
		return rj_fail(
			err, rc,
			"listen %s: %s: ports below %u are privileged "
			"here, wanted a higher one or CAP_NET_BIND_SERVICE",
			text, why, privileged);
	if (rc == -EINVAL)
		return rj_fail(err, rc, "listen %s: %s", text, why);
	return rj_fail(err, rc, "listen %s: %s, wanted %s", text, why,
		       rj_wanted(rc, "a free address of this host"));
}

int rj_listen_tcp(const struct rj_uri *uri, uint64_t deadline_ns, int wake_fd,
		  struct rj_listener *ret, struct ramjet_error *err)
{
	struct addrinfo *list = NULL;
	const struct addrinfo *at;
	int rc = rj_resolve(uri, true, deadline_ns, wake_fd, &list, err);

	if (rc)
		return rc;
	rc = listen_on(list, uri, ret, &at);
	if (!rc)
		rc = watch_all(ret);
	if (rc) {
		close_all(ret);
		rc = refuse(uri, rc, at, err);
	}
	freeaddrinfo(list);
	if (rc)
		return rc;
	format_bound(ret->sockets[0], ret->bound_uri, sizeof(ret->bound_uri));
	for (unsigned i = 1; i < ret->socket_count; i++)
		format_bound(ret->sockets[i], ret->more_uris[i - 1],
			     sizeof(ret->more_uris[0]));
	return 0;
}
