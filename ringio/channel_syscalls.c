/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The backend without io_uring: non-blocking system calls, and poll() on the
 * connection and the wake_fd where they would block. For a connection that is
 * not bare, its operations take their place.
 */
#include "ringio/channel_syscalls.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ringio/channel_ops.h"
#include "ringio/wait.h"
#include "util/clock.h"
#include "util/error.h"

/* The result of an operation as a system call returns it. */
static ssize_t with_errno(ssize_t n)
{
	if (n < 0)
		errno = (int)-n;
	return n < 0 ? -1 : n;
}

/*
 * Raw system calls: live guest memory changes while the kernel reads it, which
 * is sound (see RJ_GUEST_MEMORY), and ThreadSanitizer's wrappers of the C
 * library's functions would call it a race.
 */
static ssize_t send_once(struct rj_channel *channel, unsigned count)
{
	struct msghdr message = {
		.msg_iov = channel->send.entries,
		.msg_iovlen = count,
	};
	const uint64_t place = (uint64_t)rj_channel_place(channel);

	if (channel->is_socket)
		return syscall(SYS_sendmsg, channel->conn.fd, &message,
			       MSG_NOSIGNAL | MSG_DONTWAIT);
	if (channel->start >= 0)
		return syscall(SYS_pwritev, channel->conn.fd, message.msg_iov,
			       (unsigned long)count, (unsigned long)place,
			       (unsigned long)(place >> 32));
	if (!channel->is_bare)
		return with_errno(channel->conn.ops->send(
			&channel->conn, message.msg_iov, count));
	return syscall(SYS_writev, channel->conn.fd, message.msg_iov,
		       (unsigned long)count);
}

/* Send what fits and the pace allows. */
static int send_progress(struct rj_channel *channel)
{
	while (channel->send.bytes) {
		uint64_t allowed = rj_pacing_allow(
			&channel->pacing, channel->send.bytes, rj_now_ns());
		ssize_t n;

		if (!allowed)
			return 0;
		n = send_once(channel, rj_iov_open(&channel->send, allowed));
		rj_iov_close(&channel->send, n > 0 ? (size_t)n : 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		rj_pacing_take(&channel->pacing, (uint64_t)n);
		rj_channel_moved(channel, (uint64_t)n);
	}
	return 0;
}

/*
 * Sleep until the send in flight, or what `events` stands for, can go on. A
 * send that is held back by the pace waits for time, not for room.
 */
static int wait_ready(struct rj_channel *channel, short events)
{
	uint64_t now = rj_now_ns(), ready_ns = 0;
	int rc;

	if (channel->send.bytes) {
		ready_ns = rj_pacing_ready_ns(&channel->pacing,
					      channel->send.bytes, now);
		if (ready_ns <= now) {
			ready_ns = 0;
			events |= POLLOUT;
		}
	}
	rc = events ? rj_conn_wait(&channel->conn, events, ready_ns,
				   channel->wake_fd)
		    : rj_wait_fd(-1, 0, ready_ns, channel->wake_fd);
	return rc == -ETIMEDOUT ? 0 : rc;
}

static int send_wait(struct rj_channel *channel)
{
	for (;;) {
		int rc = send_progress(channel);

		if (rc || !channel->send.bytes)
			return rc;
		rc = wait_ready(channel, 0);
		if (rc)
			return rc;
	}
}

/* True while a send is in flight; an error is reported by send_wait(). Only
 * sockets receive beside a send, and they raise no SIGPIPE. */
static bool send_beside(struct rj_channel *channel)
{
	int rc = channel->send.bytes ? send_progress(channel) : 0;

	if (rc) {
		channel->send_error = rc;
		channel->send.bytes = 0;
	}
	return channel->send.bytes > 0;
}

static ssize_t recv_once(struct rj_channel *channel, struct rj_iov *iov)
{
	unsigned count = rj_iov_open(iov, iov->bytes);
	struct msghdr message = {
		.msg_iov = iov->entries,
		.msg_iovlen = count,
	};
	ssize_t n;

	if (channel->is_socket)
		n = recvmsg(channel->conn.fd, &message, MSG_DONTWAIT);
	else if (channel->start >= 0)
		n = preadv(channel->conn.fd, message.msg_iov, (int)count,
			   rj_channel_place(channel));
	else if (!channel->is_bare)
		n = with_errno(channel->conn.ops->receive(
			&channel->conn, message.msg_iov, count));
	else
		n = readv(channel->conn.fd, message.msg_iov, (int)count);
	rj_iov_close(iov, n > 0 ? (size_t)n : 0);
	if (n > 0)
		rj_channel_moved(channel, (uint64_t)n);
	return n;
}

static int receive(struct rj_channel *channel, struct rj_iov *iov)
{
	bool begun = false;

	while (iov->bytes) {
		ssize_t n = recv_once(channel, iov);
		int rc = 0;

		if (n == 0)
			return begun ? -EPIPE : -ENODATA;
		if (n > 0) {
			begun = true;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		rj_channel_expect(channel, iov->bytes);
		/* The peer may be waiting for what we have yet to send. */
		if (send_beside(channel))
			rc = wait_ready(channel, POLLIN);
		else
			rc = rj_conn_wait(&channel->conn, POLLIN, 0,
					  channel->wake_fd);
		if (rc)
			return rc;
	}
	return 0;
}

static void destroy(struct rj_channel *channel)
{
	free(channel);
}

static const struct rj_channel_ops ops = {
	.send_start = send_progress,
	.send_progress = send_progress,
	.send_wait = send_wait,
	.recv = receive,
	.free = destroy,
};

int rj_channel_syscalls_new(struct rj_channel **ret, struct ramjet_error *err)
{
	struct rj_channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return rj_fail_errno(err, -ENOMEM, "channel");
	channel->ops = &ops;
	channel->backend = RAMJET_BACKEND_SYSCALLS;
	*ret = channel;
	return 0;
}
