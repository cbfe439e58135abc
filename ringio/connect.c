/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "ringio/address.h"
#include "ringio/dial.h"
#include "ringio/endpoint.h"
#include "ringio/exec.h"
#include "ringio/file.h"
#include "ringio/resolve.h"
#include "ringio/stream.h"
#include "ringio/tune.h"
#include "ringio/wait.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

/* A listener whose queue is full tells nobody when there is room. Chosen: short
 * for a person, long for a CPU. */
#define UNIX_RETRY_NS 10000000u

static int pending_error(int fd)
{
	socklen_t bytes = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes))
		return -errno;
	return -error;
}

static int start_connect(int fd, const union rj_address *address,
			 socklen_t bytes)
{
	return connect(fd, &address->any, bytes) ? -errno : 0;
}

/* A full backlog of a unix listener gives EAGAIN and no event to wait for. */
static int connect_unix(int fd, const union rj_address *address,
			socklen_t bytes, uint64_t deadline_ns, int wake_fd)
{
	for (;;) {
		int rc = start_connect(fd, address, bytes);
		uint64_t now = rj_now_ns();

		if (rc != -EAGAIN)
			return rc;
		if (deadline_ns && now >= deadline_ns)
			return -ETIMEDOUT;
		rc = rj_wait_fd(-1, 0, now + UNIX_RETRY_NS, wake_fd);
		if (rc != -ETIMEDOUT)
			return rc;
	}
}

static int connect_remote(int fd, const union rj_address *address,
			  socklen_t bytes, uint64_t deadline_ns, int wake_fd)
{
	int rc = start_connect(fd, address, bytes);

	if (rc != -EINPROGRESS && rc != -EINTR)
		return rc;
	rc = rj_wait_fd(fd, POLLOUT, deadline_ns, wake_fd);
	return rc ? rc : pending_error(fd);
}

static int dial(const struct rj_uri *uri, const struct addrinfo *list,
		uint64_t deadline_ns, int wake_fd, struct rj_conn *ret,
		struct ramjet_error *err)
{
	char text[RJ_ADDRESS_TEXT_MAX], reasons[RJ_DIAL_REASONS];
	int rc = rj_dial(list, deadline_ns, wake_fd, ret, reasons);

	rj_uri_format(uri, text, sizeof(text));
	if (rc == -ECANCELED)
		return rj_fail_errno(err, rc, "connect %s", text);
	if (rc == -EINVAL) /* the address itself: the reasons say it */
		return rj_fail(err, rc, "connect %s: %s", text, reasons);
	if (rc)
		return rj_fail(err, rc, "connect %s: %s, wanted %s", text,
			       reasons, rj_wanted(rc, "a listener there"));
	return 0;
}

static int connect_tcp(const struct rj_uri *uri, uint64_t deadline_ns,
		       int wake_fd, struct rj_conn *ret,
		       struct ramjet_error *err)
{
	char text[RJ_ADDRESS_TEXT_MAX];
	struct addrinfo *list = NULL;
	int rc;

	rj_uri_format(uri, text, sizeof(text));
	if (!uri->port)
		return rj_fail(err, -EINVAL,
			       "connect %s: port 0, wanted the target's port",
			       text);
	rc = rj_resolve(uri, false, deadline_ns, wake_fd, &list, err);
	if (rc)
		return rc;
	rc = dial(uri, list, deadline_ns, wake_fd, ret, err);
	freeaddrinfo(list);
	return rc;
}

static int connect_local(const struct rj_uri *uri, uint64_t deadline_ns,
			 int wake_fd, struct rj_conn *ret,
			 struct ramjet_error *err)
{
	bool vsock = uri->scheme == RJ_URI_VSOCK;
	enum rj_conn_kind kind = vsock ? RJ_CONN_VSOCK : RJ_CONN_UNIX;
	char text[RJ_ADDRESS_TEXT_MAX];
	rj_autoclose int fd = -1;
	union rj_address address;
	socklen_t bytes;
	int rc;

	rj_uri_format(uri, text, sizeof(text));
	if (vsock && uri->cid == VMADDR_CID_ANY)
		return rj_fail(err, -EINVAL,
			       "connect %s: no CID, wanted the target's", text);
	fd = socket(vsock ? AF_VSOCK : AF_UNIX,
		    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return rj_fail_wanted(err, -errno, "a socket", "connect %s",
				      text);
	rc = rj_tune(fd, kind);
	if (rc)
		return rj_fail_errno(err, rc, "connect %s: socket options",
				     text);
	bytes = rj_address_of_uri(uri, &address);
	rc = (vsock ? connect_remote : connect_unix)(fd, &address, bytes,
						     deadline_ns, wake_fd);
	if (rc)
		return rj_fail_wanted(err, rc, "a listener there", "connect %s",
				      text);
	*ret = rj_conn_bare(rj_steal_fd(&fd), kind);
	return 0;
}

int rj_connect(const struct rj_uri *uri, uint64_t deadline_ns, int wake_fd,
	       struct rj_conn *ret, struct ramjet_error *err)
{
	switch (uri->scheme) {
	case RJ_URI_TCP:
		return connect_tcp(uri, deadline_ns, wake_fd, ret, err);
	case RJ_URI_UNIX:
	case RJ_URI_VSOCK:
		return connect_local(uri, deadline_ns, wake_fd, ret, err);
	case RJ_URI_FD:
		return rj_stream_from_fd(uri->fd, true, ret, err);
	case RJ_URI_EXEC:
		return rj_exec_start(uri->path, true, ret, err);
	case RJ_URI_FILE:
		return rj_file_open(uri->path, true, ret, err);
	case RJ_URI_VMM:
		break;
	}
	return rj_fail(err, -EINVAL, "connect: unknown scheme %d",
		       (int)uri->scheme);
}

int rj_connect_to(const struct sockaddr_storage *peer, socklen_t peer_bytes,
		  const struct rj_uri *uri, uint64_t deadline_ns, int wake_fd,
		  struct rj_conn *ret, struct ramjet_error *err)
{
	struct sockaddr_storage address = *peer;
	const struct addrinfo info = {
		.ai_addr = (struct sockaddr *)&address,
		.ai_addrlen = peer_bytes,
		.ai_family = address.ss_family,
	};

	if (uri->scheme != RJ_URI_TCP)
		return rj_connect(uri, deadline_ns, wake_fd, ret, err);
	return dial(uri, &info, deadline_ns, wake_fd, ret, err);
}

int rj_connect_beside(const struct rj_conn *first, const struct rj_uri *uri,
		      uint64_t deadline_ns, int wake_fd, struct rj_conn *ret,
		      struct ramjet_error *err)
{
	struct sockaddr_storage peer;
	socklen_t bytes = 0;
	char text[RJ_ADDRESS_TEXT_MAX];
	int rc;

	if (uri->scheme != RJ_URI_TCP)
		return rj_connect(uri, deadline_ns, wake_fd, ret, err);
	rc = rj_conn_peer(first, &peer, &bytes);
	if (rc) {
		rj_uri_format(uri, text, sizeof(text));
		return rj_fail_errno(err, rc,
				     "connect %s: where the control link goes",
				     text);
	}
	return rj_connect_to(&peer, bytes, uri, deadline_ns, wake_fd, ret, err);
}

int rj_open_incoming(const struct rj_uri *uri, struct rj_conn *ret,
		     struct ramjet_error *err)
{
	switch (uri->scheme) {
	case RJ_URI_FD:
		return rj_stream_from_fd(uri->fd, false, ret, err);
	case RJ_URI_EXEC:
		return rj_exec_start(uri->path, false, ret, err);
	case RJ_URI_FILE:
		return rj_file_open(uri->path, false, ret, err);
	default:
		return rj_fail(err, -EINVAL,
			       "open: scheme %d has to be listened on, wanted "
			       "fd:, exec: or file:",
			       (int)uri->scheme);
	}
}
