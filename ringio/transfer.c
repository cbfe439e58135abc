/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ringio/endpoint.h"
#include "ringio/sigpipe.h"
#include "ringio/wait.h"

static ssize_t write_quietly(int fd, const void *data, size_t bytes)
{
	struct rj_sigpipe hold;
	ssize_t n;

	rj_sigpipe_hold(&hold);
	n = write(fd, data, bytes);
	rj_sigpipe_release(&hold);
	return n;
}

static ssize_t send_some(int fd, const void *data, size_t bytes)
{
	ssize_t n = send(fd, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n < 0 && errno == ENOTSOCK ? write_quietly(fd, data, bytes) : n;
}

static ssize_t recv_some(int fd, void *data, size_t bytes)
{
	ssize_t n = recv(fd, data, bytes, MSG_DONTWAIT);

	return n < 0 && errno == ENOTSOCK ? read(fd, data, bytes) : n;
}

int rj_send_all(int fd, const void *data, size_t bytes, uint64_t deadline_ns,
		int wake_fd)
{
	const char *next = data;

	while (bytes) {
		ssize_t n = send_some(fd, next, bytes);
		int rc;

		if (n >= 0) {
			next += n;
			bytes -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		rc = rj_wait_fd(fd, POLLOUT, deadline_ns, wake_fd);
		if (rc)
			return rc;
	}
	return 0;
}

int rj_recv_all(int fd, void *data, size_t bytes, uint64_t deadline_ns,
		int wake_fd)
{
	char *next = data;

	while (bytes) {
		ssize_t n = recv_some(fd, next, bytes);
		int rc;

		if (n == 0)
			return next == data ? -ENODATA : -EPIPE;
		if (n > 0) {
			next += n;
			bytes -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		rc = rj_wait_fd(fd, POLLIN, deadline_ns, wake_fd);
		if (rc)
			return rc;
	}
	return 0;
}
