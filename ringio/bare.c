/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/bare.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "ringio/address.h"
#include "ringio/sigpipe.h"
#include "util/cleanup.h"

/* ---- sockets ---------------------------------------------------------- */

static ssize_t send_message(const struct rj_conn *conn, const struct iovec *iov,
			    unsigned count)
{
	const struct msghdr message = {
		.msg_iov = (struct iovec *)iov,
		.msg_iovlen = count,
	};
	ssize_t n;

	do
		n = sendmsg(conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t receive_message(const struct rj_conn *conn,
			       const struct iovec *iov, unsigned count)
{
	struct msghdr message = {
		.msg_iov = (struct iovec *)iov,
		.msg_iovlen = count,
	};
	ssize_t n;

	do
		n = recvmsg(conn->fd, &message, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static uint64_t outstanding(const struct rj_conn *conn)
{
	int bytes = 0;

	if (ioctl(conn->fd, SIOCOUTQ, &bytes) < 0)
		return 0;
	return bytes > 0 ? (uint64_t)bytes : 0;
}

static int peer(const struct rj_conn *conn, struct sockaddr_storage *ret,
		socklen_t *ret_bytes)
{
	*ret_bytes = sizeof(*ret);
	return getpeername(conn->fd, (struct sockaddr *)ret, ret_bytes) ? -errno
									: 0;
}

static void shut_down(const struct rj_conn *conn)
{
	(void)shutdown(conn->fd, SHUT_WR);
}

typedef int name_fn(int fd, struct sockaddr *address, socklen_t *bytes);

static void format_end(name_fn *name, int fd, char *text, size_t size)
{
	socklen_t bytes = sizeof(struct sockaddr_storage);
	union rj_address address;

	if (name(fd, &address.any, &bytes))
		(void)snprintf(text, size, "unknown");
	else
		rj_address_format(&address, bytes, text, size);
}

static void describe_socket(const struct rj_conn *conn, char *buffer,
			    size_t bytes)
{
	static const char *const kinds[] = {
		[RJ_CONN_TCP] = "tcp",
		[RJ_CONN_UNIX] = "unix",
		[RJ_CONN_VSOCK] = "vsock",
		[RJ_CONN_SOCKET] = "socket",
	};
	char here[RJ_ADDRESS_TEXT_MAX], there[RJ_ADDRESS_TEXT_MAX];

	format_end(getsockname, conn->fd, here, sizeof(here));
	format_end(getpeername, conn->fd, there, sizeof(there));
	(void)snprintf(buffer, bytes, "%s %s -> %s", kinds[conn->kind], here,
		       there);
}

/* ---- either ------------------------------------------------------------ */

int rj_bare_poll_fd(const struct rj_conn *conn, short *events RJ_UNUSED)
{
	return conn->fd;
}

static int finish(struct rj_conn *conn, uint64_t deadline_ns RJ_UNUSED,
		  int wake_fd RJ_UNUSED, struct ramjet_error *err RJ_UNUSED)
{
	rj_close_fd(&conn->fd);
	return 0;
}

/* ---- pipes ------------------------------------------------------------- */

ssize_t rj_bare_write(const struct rj_conn *conn, const struct iovec *iov,
		      unsigned count)
{
	struct rj_sigpipe hold;
	ssize_t n;

	rj_sigpipe_hold(&hold);
	do
		n = writev(conn->fd, iov, (int)count);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		n = -errno;
	rj_sigpipe_release(&hold);
	return n;
}

ssize_t rj_bare_read(const struct rj_conn *conn, const struct iovec *iov,
		     unsigned count)
{
	ssize_t n;

	do
		n = readv(conn->fd, iov, (int)count);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void describe_pipe(const struct rj_conn *conn, char *buffer,
			  size_t bytes)
{
	(void)snprintf(buffer, bytes, "pipe fd %d", conn->fd);
}

struct rj_conn rj_conn_bare(int fd, enum rj_conn_kind kind)
{
	static const struct rj_conn_ops socket_ops = {
		.bare = true,
		.two_way = true,
		.send = send_message,
		.receive = receive_message,
		.poll_fd = rj_bare_poll_fd,
		.outstanding = outstanding,
		.peer = peer,
		.shut_down = shut_down,
		.finish = finish,
		.describe = describe_socket,
	};
	static const struct rj_conn_ops pipe_ops = {
		.bare = true,
		.send = rj_bare_write,
		.receive = rj_bare_read,
		.poll_fd = rj_bare_poll_fd,
		.finish = finish,
		.describe = describe_pipe,
	};

	return (struct rj_conn){
		.fd = fd,
		.kind = kind,
		.ops = kind <= RJ_CONN_SOCKET ? &socket_ops : &pipe_ops,
	};
}
