/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>

#include "ringio/conn_ops.h"
#include "ringio/endpoint.h"

int rj_send_all(const struct rj_conn *conn, const void *data, size_t bytes,
		uint64_t deadline_ns, int wake_fd)
{
	struct iovec left = { .iov_base = (void *)data, .iov_len = bytes };

	if (!conn->ops)
		return -EBADF;
	while (left.iov_len) {
		const ssize_t n = conn->ops->send(conn, &left, 1);
		int rc;

		if (n >= 0) {
			left.iov_base = (char *)left.iov_base + n;
			left.iov_len -= (size_t)n;
			continue;
		}
		if (n != -EAGAIN)
			return (int)n;
		rc = rj_conn_wait(conn, POLLOUT, deadline_ns, wake_fd);
		if (rc)
			return rc;
	}
	return 0;
}

int rj_recv_all(const struct rj_conn *conn, void *data, size_t bytes,
		uint64_t deadline_ns, int wake_fd)
{
	char *next = data;

	while (bytes) {
		const ssize_t n = rj_conn_receive(conn, next, bytes);
		int rc;

		if (n == 0)
			return next == data ? -ENODATA : -EPIPE;
		if (n > 0) {
			next += n;
			bytes -= (size_t)n;
			continue;
		}
		if (n != -EAGAIN)
			return (int)n;
		rc = rj_conn_wait(conn, POLLIN, deadline_ns, wake_fd);
		if (rc)
			return rc;
	}
	return 0;
}
