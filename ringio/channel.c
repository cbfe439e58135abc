/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/channel.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "ringio/channel_ops.h"
#include "ringio/channel_syscalls.h"
#include "ringio/channel_uring.h"
#include "ringio/tcp.h"
#include "util/clock.h"
#include "util/error.h"

/* As rj_channel_uring_new(), for bare connections only. */
static int make_uring(const struct rj_conn *conn, struct rj_channel **ret,
		      struct ramjet_error *err)
{
	if (!rj_conn_is_bare(conn))
		return rj_fail(err, -EOPNOTSUPP,
			       "io_uring: the connection is no bare socket");
	return rj_channel_uring_new(ret, err);
}

static int make_backend(const struct rj_conn *conn, enum ramjet_backend backend,
			struct rj_channel **ret, struct ramjet_error *err)
{
	struct ramjet_error refused = { 0 };
	const char *reason = "asked for";
	int rc;

	if (backend != RAMJET_BACKEND_SYSCALLS) {
		rc = make_uring(conn, ret, &refused);
		if (!rc)
			return 0;
		if (backend == RAMJET_BACKEND_URING)
			return rj_fail(err, rc, "channel: %s", refused.message);
		reason = refused.message;
	}
	rc = rj_channel_syscalls_new(ret, err);
	if (!rc)
		(void)snprintf((*ret)->reason, sizeof((*ret)->reason), "%.*s",
			       (int)sizeof((*ret)->reason) - 1, reason);
	return rc;
}

int rj_channel_new(const struct rj_conn *conn,
		   const struct rj_channel_options *options,
		   struct rj_channel **ret, struct ramjet_error *err)
{
	struct rj_channel *channel = NULL;
	int rc;

	if (!rj_conn_is_open(conn) || (rj_conn_is_bare(conn) && conn->fd < 0))
		return rj_fail(err, -EBADF,
			       "channel: the connection is "
			       "closed, wanted an open one");
	rc = make_backend(conn, options->backend, &channel, err);
	if (rc)
		return rc;
	channel->conn = *conn;
	channel->is_bare = rj_conn_is_bare(conn);
	channel->is_socket = rj_conn_is_socket(conn);
	channel->wake_fd = options->wake_fd;
	channel->start = conn->kind == RJ_CONN_FILE
				 ? (int64_t)lseek(conn->fd, 0, SEEK_CUR)
				 : -1;
	*ret = channel;
	return 0;
}

/*
 * Of bare descriptors only a socket can be told not to raise SIGPIPE. For the
 * others the signal is held off as long as a send is in flight: the kernel may
 * carry on with it in any system call of this thread.
 */
static void hold_sigpipe(struct rj_channel *channel)
{
	if (channel->is_socket || !channel->is_bare || channel->sigpipe_held)
		return;
	rj_sigpipe_hold(&channel->sigpipe);
	channel->sigpipe_held = true;
}

static void release_sigpipe(struct rj_channel *channel)
{
	if (channel->sigpipe_held)
		rj_sigpipe_release(&channel->sigpipe);
	channel->sigpipe_held = false;
}

/* Set the file's position: others that share the open file go on where we have
 * ended. */
static void leave_position(const struct rj_channel *channel)
{
	if (channel->start >= 0)
		(void)lseek(channel->conn.fd, rj_channel_place(channel),
			    SEEK_SET);
}

void rj_channel_free(struct rj_channel *channel)
{
	bool held;
	struct rj_sigpipe sigpipe;

	if (!channel)
		return;
	/* Reset the low-water mark for the next user of the connection. */
	if (channel->low_water)
		rj_channel_expect(channel, 1);
	leave_position(channel);
	held = channel->sigpipe_held;
	sigpipe = channel->sigpipe;
	channel->ops->free(channel);
	if (held)
		rj_sigpipe_release(&sigpipe);
}

enum ramjet_backend rj_channel_backend(const struct rj_channel *channel)
{
	return channel->backend;
}

const char *rj_channel_reason(const struct rj_channel *channel)
{
	return channel->reason;
}

/* Note the error of a send, which ends it. */
static int settle_send(struct rj_channel *channel, int rc)
{
	if (rc)
		channel->send.bytes = 0;
	if (!channel->send.bytes)
		release_sigpipe(channel);
	return rc;
}

static int start(struct rj_channel *channel, struct iovec *iov, const int *how,
		 unsigned count)
{
	if (count > RJ_CHANNEL_IOV_MAX)
		return -EINVAL;
	if (channel->send.bytes || channel->send_error)
		return -EBUSY;
	channel->send = rj_iov_of(iov, count);
	channel->first = iov;
	channel->how = how;
	if (!channel->send.bytes)
		return 0;
	hold_sigpipe(channel);
	return settle_send(channel, channel->ops->send_start(channel));
}

int rj_channel_send_start(struct rj_channel *channel, struct iovec *iov,
			  unsigned count)
{
	return start(channel, iov, NULL, count);
}

bool rj_channel_is_tcp(const struct rj_channel *channel)
{
	return channel->conn.kind == RJ_CONN_TCP;
}

bool rj_channel_is_local(const struct rj_channel *channel)
{
	return rj_channel_is_tcp(channel) && rj_tcp_is_local(channel->conn.fd);
}

static bool can_zero_copy(const struct rj_channel *channel)
{
	return channel->ops->register_buffer && rj_channel_is_tcp(channel);
}

int rj_channel_send_start_as(struct rj_channel *channel, struct iovec *iov,
			     const int *how, unsigned count)
{
	return start(channel, iov, can_zero_copy(channel) ? how : NULL, count);
}

int rj_channel_register(struct rj_channel *channel, void *base, size_t bytes)
{
	int rc;

	if (!can_zero_copy(channel))
		return -EOPNOTSUPP;
	if (!bytes || bytes > RJ_CHANNEL_BUFFER_BYTES_MAX)
		return -EINVAL;
	rc = channel->ops->register_buffer(channel, base, bytes);
	if (rc >= 0)
		channel->zero_copy.pinned_bytes += bytes;
	return rc;
}

void rj_channel_unregister(struct rj_channel *channel, int buffer)
{
	channel->ops->unregister_buffer(channel, buffer);
}

struct rj_channel_zero_copy rj_channel_zero_copy(
	const struct rj_channel *channel)
{
	return channel->zero_copy;
}

int rj_channel_drain(struct rj_channel *channel)
{
	return channel->ops->drain ? channel->ops->drain(channel) : 0;
}

int rj_channel_send_wait(struct rj_channel *channel)
{
	int rc = channel->send_error;

	channel->send_error = 0;
	if (!rc && channel->send.bytes)
		rc = channel->ops->send_wait(channel);
	return settle_send(channel, rc);
}

bool rj_channel_send_pending(struct rj_channel *channel)
{
	int rc;

	if (!channel->send.bytes)
		return false;
	rc = channel->ops->send_progress(channel);
	if (rc)
		channel->send_error = rc;
	(void)settle_send(channel, rc);
	return channel->send.bytes > 0;
}

int rj_channel_recv(struct rj_channel *channel, struct iovec *iov,
		    unsigned count)
{
	struct rj_iov to;

	if (count > RJ_CHANNEL_IOV_MAX)
		return -EINVAL;
	to = rj_iov_of(iov, count);
	return to.bytes ? channel->ops->recv(channel, &to) : 0;
}

uint64_t rj_channel_bytes(const struct rj_channel *channel)
{
	return rj_channel_moved_bytes(channel);
}

int rj_channel_set_rate(struct rj_channel *channel, uint64_t bytes_per_s)
{
	if (channel->conn.kind == RJ_CONN_TCP)
		return rj_tcp_set_rate(channel->conn.fd, bytes_per_s);
	rj_pacing_set(&channel->pacing, bytes_per_s, rj_now_ns());
	return 0;
}

void rj_channel_tcp_info(const struct rj_channel *channel,
			 struct rj_channel_tcp *ret)
{
	*ret = (struct rj_channel_tcp){ 0 };
	if (channel->conn.kind == RJ_CONN_TCP)
		rj_tcp_info(channel->conn.fd, ret);
}
