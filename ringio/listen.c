/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "ringio/address.h"
#include "ringio/endpoint.h"
#include "ringio/listen_unix.h"
#include "ringio/resolve.h"
#include "ringio/tune.h"
#include "ringio/wait.h"
#include "util/cleanup.h"
#include "util/error.h"

#define STREAM_FLAGS (SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)

static int listen_inet(const struct addrinfo *info, bool any)
{
	static const int on = 1;
	rj_autoclose int fd = -1;
	int only_v6 = !any; /* the empty host takes both families */

	fd = socket(info->ai_family, STREAM_FLAGS, info->ai_protocol);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    (info->ai_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6,
			sizeof(only_v6))) ||
	    bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, SOMAXCONN))
		return -errno;
	return rj_steal_fd(&fd);
}

/* IPv6 first: its wildcard serves IPv4 as well. */
static int listen_first(const struct addrinfo *list, bool any)
{
	int first = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (const struct addrinfo *p = list; p; p = p->ai_next) {
			int fd;

			if (any && (p->ai_family == AF_INET6) != !pass)
				continue;
			fd = listen_inet(p, any);
			if (fd >= 0)
				return fd;
			first = first ? first : fd;
		}
		if (!any)
			break;
	}
	return first ? first : -EADDRNOTAVAIL;
}

static void format_bound(int fd, const struct rj_uri *uri, char *text,
			 size_t size)
{
	union rj_address address;
	socklen_t bytes = sizeof(address);
	struct rj_uri bound = *uri;

	if (getsockname(fd, &address.any, &bytes))
		memset(&address, 0, sizeof(address));
	if (address.any.sa_family == AF_INET)
		bound.port = ntohs(
			((struct sockaddr_in *)&address.storage)->sin_port);
	else if (address.any.sa_family == AF_INET6)
		bound.port = ntohs(
			((struct sockaddr_in6 *)&address.storage)->sin6_port);
	else if (address.any.sa_family == AF_VSOCK)
		bound.vsock_port = address.vm.svm_port;
	rj_uri_format(&bound, text, size);
}

static int listen_tcp(const struct rj_uri *uri, struct ramjet_error *err)
{
	char text[RJ_ADDRESS_TEXT_MAX];
	struct addrinfo *list = NULL;
	int rc;

	rc = rj_resolve(uri, true, 0, -1, &list, err);
	if (rc)
		return rc;
	rc = listen_first(list, !*uri->host);
	freeaddrinfo(list);
	rj_uri_format(uri, text, sizeof(text));
	return rc >= 0 ? rc
		       : rj_fail_wanted(err, rc, "a free address of this host",
					"listen %s", text);
}

static int listen_vsock(const struct rj_uri *uri, struct ramjet_error *err)
{
	char text[RJ_ADDRESS_TEXT_MAX];
	rj_autoclose int fd = socket(AF_VSOCK, STREAM_FLAGS, 0);
	union rj_address address;
	socklen_t bytes = rj_address_of_uri(uri, &address);

	rj_uri_format(uri, text, sizeof(text));
	if (fd < 0)
		return rj_fail_wanted(err, -errno, "vsock support", "listen %s",
				      text);
	/* accepted connections get the listener's window */
	if (rj_tune(fd, RJ_CONN_VSOCK) || bind(fd, &address.any, bytes) ||
	    listen(fd, SOMAXCONN))
		return rj_fail_wanted(err, -errno, "a free port", "listen %s",
				      text);
	return rj_steal_fd(&fd);
}

int rj_listen(const struct rj_uri *uri, struct rj_listener *ret,
	      struct ramjet_error *err)
{
	enum rj_conn_kind kind = RJ_CONN_TCP;
	int fd;

	switch (uri->scheme) {
	case RJ_URI_TCP:
		fd = listen_tcp(uri, err);
		break;
	case RJ_URI_UNIX:
		kind = RJ_CONN_UNIX;
		fd = rj_listen_unix(uri, err);
		break;
	case RJ_URI_VSOCK:
		kind = RJ_CONN_VSOCK;
		fd = listen_vsock(uri, err);
		break;
	default:
		return rj_fail(err, -EINVAL,
			       "listen: scheme %d cannot be listened on, want "
			       "tcp:, unix: or vsock:",
			       (int)uri->scheme);
	}
	if (fd < 0)
		return fd;
	memset(ret, 0, sizeof(*ret));
	ret->fd = fd;
	ret->kind = kind;
	format_bound(fd, uri, ret->bound_uri, sizeof(ret->bound_uri));
	if (kind == RJ_CONN_UNIX)
		(void)snprintf(ret->unlink_path, sizeof(ret->unlink_path), "%s",
			       uri->path);
	return 0;
}

/* What accept(2) passes on of a connection that died in the queue. */
static bool is_of_the_connection(int error)
{
	switch (error) {
	case EINTR:
	case EAGAIN:
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return true;
	default:
		return false;
	}
}

int rj_accept(struct rj_listener *listener, uint64_t deadline_ns, int wake_fd,
	      struct rj_conn *ret, struct ramjet_error *err)
{
	for (;;) {
		rj_autoclose int fd = -1;
		int rc = rj_wait_fd(listener->fd, POLLIN, deadline_ns, wake_fd);

		if (rc)
			return rj_fail_errno(err, rc, "accept on %s",
					     listener->bound_uri);
		fd = accept4(listener->fd, NULL, NULL,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 && is_of_the_connection(errno))
			continue;
		if (fd < 0)
			return rj_fail_wanted(err, -errno, "a connection",
					      "accept on %s",
					      listener->bound_uri);
		rc = rj_tune(fd, listener->kind);
		if (rc)
			return rj_fail_errno(err, rc,
					     "accept on %s: socket options",
					     listener->bound_uri);
		*ret = (struct rj_conn){
			.fd = rj_steal_fd(&fd),
			.kind = listener->kind,
		};
		return 0;
	}
}

void rj_listener_close(struct rj_listener *listener)
{
	/* While it still listens, so that the name is surely ours. */
	if (listener->fd >= 0 && *listener->unlink_path)
		rj_listen_unix_unlink(listener->unlink_path);
	rj_close_fd(&listener->fd);
}
