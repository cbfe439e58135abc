/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "ringio/conn_ops.h"
#include "ringio/endpoint.h"
#include "ringio/file.h"
#include "ringio/wait.h"
#include "util/clock.h"
#include "util/error.h"

int rj_conn_close(struct rj_conn *conn, uint64_t deadline_ns,
		  struct ramjet_error *err)
{
	return rj_conn_finish(conn, deadline_ns, -1, err);
}

int rj_conn_finish(struct rj_conn *conn, uint64_t deadline_ns, int wake_fd,
		   struct ramjet_error *err)
{
	struct rj_conn gone = *conn;

	/* Its kind may still be asked for. */
	*conn = (struct rj_conn){ .fd = -1, .kind = gone.kind };
	return gone.ops ? gone.ops->finish(&gone, deadline_ns, wake_fd, err)
			: 0;
}

void rj_conn_describe(const struct rj_conn *conn, char *buffer, size_t bytes)
{
	if (conn->ops)
		conn->ops->describe(conn, buffer, bytes);
	else
		(void)snprintf(buffer, bytes, "closed");
}

ssize_t rj_conn_receive(const struct rj_conn *conn, void *data, size_t bytes)
{
	const struct iovec iov = { .iov_base = data, .iov_len = bytes };

	return conn->ops ? conn->ops->receive(conn, &iov, 1) : -EBADF;
}

/* Can something be received that poll() does not show? */
static bool is_pending(const struct rj_conn *conn, short events)
{
	return events & POLLIN && conn->ops && conn->ops->is_pending &&
	       conn->ops->is_pending(conn);
}

struct pollfd rj_conn_pollfd(const struct rj_conn *conn, short events,
			     int *timeout_ms)
{
	const int look_ms = (int)(RJ_CONN_LOOK_NS / 1000000);
	struct pollfd ret = { .fd = -1, .events = events };

	if (!conn->ops)
		return ret;
	ret.fd = conn->ops->poll_fd(conn, &ret.events);
	if (is_pending(conn, events))
		*timeout_ms = 0;
	else if (ret.fd < 0 && (*timeout_ms < 0 || *timeout_ms > look_ms))
		*timeout_ms = look_ms;
	return ret;
}

int rj_conn_wait(const struct rj_conn *conn, short events, uint64_t deadline_ns,
		 int wake_fd)
{
	int timeout_ms = -1, rc;
	const struct pollfd fd = rj_conn_pollfd(conn, events, &timeout_ms);
	uint64_t until_ns;

	if (timeout_ms < 0)
		return rj_wait_fd(fd.fd, fd.events, deadline_ns, wake_fd);
	until_ns = rj_now_ns() + (uint64_t)timeout_ms * 1000000;
	if (timeout_ms && deadline_ns && deadline_ns < until_ns)
		return rj_wait_fd(-1, 0, deadline_ns, wake_fd);
	rc = rj_wait_fd(fd.fd, fd.events, until_ns, wake_fd);
	return rc == -ETIMEDOUT ? 0 : rc;
}

void rj_conn_shut_down(const struct rj_conn *conn)
{
	if (conn->ops && conn->ops->shut_down)
		conn->ops->shut_down(conn);
}

void rj_conn_abort(const struct rj_conn *conn)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	if (!rj_conn_is_bare(conn) || !rj_conn_is_socket(conn)) {
		rj_conn_shut_down(conn);
		return;
	}
	/* TCP: a reset, after which the kernel holds no memory of ours. Others
	 * know nothing of it. */
	(void)connect(conn->fd, &none, sizeof(none));
	(void)shutdown(conn->fd, SHUT_RDWR);
}

bool rj_conn_is_hung_up(const struct rj_conn *conn)
{
	struct pollfd fd = { .fd = conn->fd, .events = POLLRDHUP };

	return rj_conn_is_bare(conn) && rj_conn_is_socket(conn) &&
	       poll(&fd, 1, 0) == 1 &&
	       fd.revents & (POLLERR | POLLHUP | POLLRDHUP);
}

int rj_conn_peer(const struct rj_conn *conn, struct sockaddr_storage *ret,
		 socklen_t *ret_bytes)
{
	return conn->ops && conn->ops->peer
		       ? conn->ops->peer(conn, ret, ret_bytes)
		       : -EAFNOSUPPORT;
}

uint64_t rj_conn_outstanding(const struct rj_conn *conn)
{
	return conn->ops && conn->ops->outstanding
		       ? conn->ops->outstanding(conn)
		       : 0;
}

int rj_conn_content(const struct rj_conn *conn)
{
	return conn->kind == RJ_CONN_FILE ? rj_file_content(conn) : -1;
}

int rj_conn_await_writer(const struct rj_conn *conn, int wake_fd,
			 struct ramjet_error *err)
{
	int rc;

	/* Only named pipes are waited for: one that was given has had its
	 * writer. */
	if (conn->kind != RJ_CONN_PIPE || !conn->file)
		return 0;
	rc = rj_wait_fd(conn->fd, POLLIN, 0, wake_fd);
	return rc ? rj_fail_errno(err, rc, "named pipe: waiting for a writer")
		  : 0;
}

int rj_conn_lock(struct rj_conn *conn, struct ramjet_error *err)
{
	return conn->kind == RJ_CONN_FILE ? rj_file_lock(conn, err) : 0;
}

int rj_conn_begin(struct rj_conn *conn, struct ramjet_error *err)
{
	return conn->kind == RJ_CONN_FILE ? rj_file_begin(conn, err) : 0;
}

bool rj_conn_is_held_back(const struct rj_conn *conn)
{
	return rj_file_is_held_back(conn);
}

/* A pipe takes what fits into it even if it will never be read: so ask whether
 * it still has a reader. */
static int check_reader(const struct rj_conn *conn, struct ramjet_error *err)
{
	struct pollfd reader = { .fd = conn->fd, .events = POLLOUT };
	char name[288];

	if (poll(&reader, 1, 0) <= 0 || !(reader.revents & POLLERR))
		return 0;
	rj_conn_describe(conn, name, sizeof(name));
	return rj_fail(err, -EPIPE, "%s: has no reader any more, wanted one",
		       name);
}

int rj_conn_sync(struct rj_conn *conn, uint64_t sent_bytes,
		 struct ramjet_error *err)
{
	if (conn->kind == RJ_CONN_PIPE)
		return check_reader(conn, err);
	return conn->kind == RJ_CONN_FILE ? rj_file_sync(conn, sent_bytes, err)
					  : 0;
}

int rj_conn_publish(struct rj_conn *conn, struct ramjet_error *err)
{
	return conn->kind == RJ_CONN_FILE ? rj_file_publish(conn, err) : 0;
}
