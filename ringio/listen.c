/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "ringio/address.h"
#include "ringio/endpoint.h"
#include "ringio/listen_tcp.h"
#include "ringio/tune.h"
#include "ringio/wait.h"
#include "util/cleanup.h"
#include "util/error.h"

#define STREAM_FLAGS (SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)

static void format_bound(int fd, const struct rj_uri *uri, char *text,
			 size_t size)
{
	union rj_address address;
	socklen_t bytes = sizeof(address);
	struct rj_uri bound = *uri;

	if (!getsockname(fd, &address.any, &bytes) &&
	    address.any.sa_family == AF_VSOCK)
		bound.vsock_port = address.vm.svm_port;
	rj_uri_format(&bound, text, size);
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

static int listen_unix(const struct rj_uri *uri, struct rj_socket_file *file,
		       struct ramjet_error *err)
{
	char what[RJ_ADDRESS_TEXT_MAX + 8] = "listen ";
	const size_t begin = strlen(what);

	rj_uri_format(uri, what + begin, sizeof(what) - begin);
	return rj_socket_file_listen(uri->path, what, file, err);
}

static int listen_single(const struct rj_uri *uri, struct rj_listener *ret,
			 struct ramjet_error *err)
{
	bool local = uri->scheme == RJ_URI_UNIX;
	int fd = local ? listen_unix(uri, &ret->file, err)
		       : listen_vsock(uri, err);

	if (fd < 0)
		return fd;
	ret->fd = ret->sockets[0] = fd;
	ret->socket_count = 1;
	ret->kind = local ? RJ_CONN_UNIX : RJ_CONN_VSOCK;
	format_bound(fd, uri, ret->bound_uri, sizeof(ret->bound_uri));
	return 0;
}

int rj_listen_until(const struct rj_uri *uri, uint64_t deadline_ns, int wake_fd,
		    struct rj_listener *ret, struct ramjet_error *err)
{
	memset(ret, 0, sizeof(*ret));
	ret->fd = -1;
	ret->kind = RJ_CONN_TCP;
	switch (uri->scheme) {
	case RJ_URI_TCP:
		return rj_listen_tcp(uri, deadline_ns, wake_fd, ret, err);
	case RJ_URI_UNIX:
	case RJ_URI_VSOCK:
		return listen_single(uri, ret, err);
	default:
		return rj_fail(
			err, -EINVAL,
			"listen: scheme %d cannot be listened on, wanted "
			"tcp:, unix: or vsock:",
			(int)uri->scheme);
	}
}

int rj_listen(const struct rj_uri *uri, struct rj_listener *ret,
	      struct ramjet_error *err)
{
	return rj_listen_until(uri, 0, -1, ret, err);
}

/* Errors by which accept(2) reports that a connection broke before it was
 * accepted: not the listener's. */
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

/* Accept from any of the sockets that has a connection. */
static int accept_any(const struct rj_listener *listener)
{
	int fd = -1;

	errno = EAGAIN;
	for (unsigned i = 0; i < listener->socket_count && fd < 0 &&
			     is_of_the_connection(errno);
	     i++)
		fd = accept4(listener->sockets[i], NULL, NULL,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
	return fd;
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
		fd = accept_any(listener);
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
		*ret = rj_conn_bare(rj_steal_fd(&fd), listener->kind);
		return 0;
	}
}

void rj_listener_close(struct rj_listener *listener)
{
	/* Removed while the socket still listens, so that the name is surely
	 * ours. */
	if (listener->fd >= 0)
		rj_socket_file_unlink(&listener->file);
	if (listener->socket_count > 1)
		rj_close_fd(&listener->fd);
	listener->fd = -1;
	for (unsigned i = 0; i < listener->socket_count; i++)
		rj_close_fd(&listener->sockets[i]);
	listener->socket_count = 0;
}
