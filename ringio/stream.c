/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "ringio/file.h"
#include "ringio/tune.h"
#include "util/cleanup.h"
#include "util/error.h"

static int socket_option(int fd, int name)
{
	socklen_t bytes = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, name, &value, &bytes) ? -errno
								: value;
}

static enum rj_conn_kind socket_kind(int fd)
{
	switch (socket_option(fd, SO_DOMAIN)) {
	case AF_INET:
	case AF_INET6:
		return socket_option(fd, SO_PROTOCOL) == IPPROTO_TCP
			       ? RJ_CONN_TCP
			       : RJ_CONN_SOCKET;
	case AF_UNIX:
		return RJ_CONN_UNIX;
	case AF_VSOCK:
		return RJ_CONN_VSOCK;
	default:
		return RJ_CONN_SOCKET;
	}
}

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	return 0;
}

/* A socket that was handed over is used by the migration alone: so it may be
 * made non-blocking. */
static int adopt_socket(int given, int *fd, struct rj_conn *conn,
			struct ramjet_error *err)
{
	struct sockaddr_storage peer;
	socklen_t bytes = sizeof(peer);
	int rc;

	if (socket_option(given, SO_TYPE) != SOCK_STREAM)
		return rj_fail(err, -EINVAL,
			       "fd:%d: not a stream socket, wanted one", given);
	if (socket_option(given, SO_ACCEPTCONN) > 0)
		return rj_fail(
			err, -EINVAL,
			"fd:%d: a listening socket, wanted a connected one",
			given);
	if (getpeername(given, (struct sockaddr *)&peer, &bytes))
		return rj_fail_errno(err, -errno,
				     "fd:%d: wanted a connected socket", given);
	conn->kind = socket_kind(given);
	rc = set_nonblocking(*fd);
	if (!rc)
		rc = rj_tune(*fd, conn->kind);
	return rc ? rj_fail_errno(err, rc, "fd:%d: socket options", given) : 0;
}

static int check_access(int given, int flags, bool writing,
			struct ramjet_error *err)
{
	int access = flags & O_ACCMODE;

	if (!(flags & O_PATH) &&
	    (access == O_RDWR || access == (writing ? O_WRONLY : O_RDONLY)))
		return 0;
	return rj_fail(err, -EBADF, "fd:%d: not open for %s, wanted it to be",
		       given, writing ? "writing" : "reading");
}

/*
 * A pipe's open file description is often shared, with a shell say, which does
 * not expect it to become non-blocking. So open the pipe anew, which gives a
 * description of our own.
 */
static int adopt_pipe(int given, bool writing, int *fd, struct rj_conn *conn,
		      struct ramjet_error *err)
{
	char path[32];
	int own, rc;

	conn->kind = RJ_CONN_PIPE;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", given);
	own = open(path,
		   (writing ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);
	if (own >= 0) {
		rj_close_fd(fd);
		*fd = own;
		return 0;
	}
	/* That fails without /proc, for pipes of other users, or without a
	 * reader: then set the flag on the shared description. */
	rc = set_nonblocking(*fd);
	return rc ? rj_fail_errno(err, rc, "fd:%d: pipe", given) : 0;
}

int rj_stream_from_fd(int given, bool writing, struct rj_conn *ret,
		      struct ramjet_error *err)
{
	struct rj_conn conn = RJ_CONN_NONE;
	int flags = fcntl(given, F_GETFL);
	rj_autoclose int fd = -1;
	struct stat st;
	int rc;

	if (flags < 0 || fstat(given, &st))
		return rj_fail(
			err, -EBADF,
			"fd:%d: not open in this process, wanted an open "
			"socket, pipe or file",
			given);
	fd = fcntl(given, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return rj_fail_errno(err, -errno, "fd:%d: duplicating it",
				     given);
	conn.fd = fd;
	rc = S_ISSOCK(st.st_mode) ? 0
				  : check_access(given, flags, writing, err);
	if (rc)
		return rc;
	if (S_ISSOCK(st.st_mode))
		rc = adopt_socket(given, &fd, &conn, err);
	else if (S_ISFIFO(st.st_mode))
		rc = adopt_pipe(given, writing, &fd, &conn, err);
	else if (S_ISREG(st.st_mode))
		rc = rj_file_adopt(&conn, given, writing, err);
	else
		rc = rj_fail(err, -EINVAL,
			     "fd:%d: neither socket nor pipe nor regular file, "
			     "wanted one of these",
			     given);
	if (rc)
		return rc;
	if (!conn.ops)
		conn = rj_conn_bare(fd, conn.kind);
	conn.fd = rj_steal_fd(&fd);
	*ret = conn;
	return 0;
}
