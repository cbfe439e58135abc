/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/channel.h"

#include <errno.h>
#include <stdio.h>

#include "ringio/channel_ops.h"
#include "ringio/sigpipe.h"
#include "ringio/tcp.h"
#include "util/clock.h"
#include "util/error.h"

static int make_backend(const struct rj_channel_options *options,
			struct rj_channel **ret, struct ramjet_error *err)
{
	int rc;

	if (options->backend == RAMJET_BACKEND_URING)
		return rj_fail(err, -EOPNOTSUPP, "channel: no io_uring here");
	rc = rj_channel_syscalls_new(ret, err);
	if (!rc)
		(void)snprintf((*ret)->reason, sizeof((*ret)->reason),
			       "system calls asked for");
	return rc;
}

int rj_channel_new(const struct rj_conn *conn,
		   const struct rj_channel_options *options,
		   struct rj_channel **ret, struct ramjet_error *err)
{
	struct rj_channel *channel = NULL;
	int rc;

	if (conn->fd < 0)
		return rj_fail(err, -EBADF,
			       "channel: the connection is "
			       "closed, want an open one");
	rc = make_backend(options, &channel, err);
	if (rc)
		return rc;
	channel->kind = conn->kind;
	channel->is_socket = rj_conn_is_socket(conn);
	channel->fd = conn->fd;
	channel->wake_fd = options->wake_fd;
	*ret = channel;
	return 0;
}

void rj_channel_free(struct rj_channel *channel)
{
	if (channel)
		channel->ops->free(channel);
}

enum ramjet_backend rj_channel_backend(const struct rj_channel *channel)
{
	return channel->backend;
}

const char *rj_channel_reason(const struct rj_channel *channel)
{
	return channel->reason;
}

typedef int send_fn(struct rj_channel *channel);

/* Only a socket can be told not to raise SIGPIPE. */
static int call_quietly(struct rj_channel *channel, send_fn *fn)
{
	struct rj_sigpipe hold;
	int rc;

	if (channel->is_socket)
		return fn(channel);
	rj_sigpipe_hold(&hold);
	rc = fn(channel);
	rj_sigpipe_release(&hold);
	return rc;
}

int rj_channel_send_start(struct rj_channel *channel, struct iovec *iov,
			  unsigned count)
{
	int rc;

	if (count > RJ_CHANNEL_IOV_MAX)
		return -EINVAL;
	if (channel->send.bytes || channel->send_error)
		return -EBUSY;
	channel->send = rj_iov_of(iov, count);
	if (!channel->send.bytes)
		return 0;
	rc = call_quietly(channel, channel->ops->send_start);
	if (rc)
		channel->send.bytes = 0;
	return rc;
}

int rj_channel_send_wait(struct rj_channel *channel)
{
	int rc = channel->send_error;

	channel->send_error = 0;
	if (!rc && channel->send.bytes)
		rc = call_quietly(channel, channel->ops->send_wait);
	if (rc)
		channel->send.bytes = 0;
	return rc;
}

bool rj_channel_send_pending(struct rj_channel *channel)
{
	int rc;

	if (!channel->send.bytes)
		return false;
	rc = call_quietly(channel, channel->ops->send_progress);
	if (rc) {
		channel->send_error = rc;
		channel->send.bytes = 0;
	}
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
	return atomic_load_explicit(&channel->bytes, memory_order_relaxed);
}

int rj_channel_set_rate(struct rj_channel *channel, uint64_t bytes_per_s)
{
	if (channel->kind == RJ_CONN_TCP)
		return rj_tcp_set_rate(channel->fd, bytes_per_s);
	rj_pacing_set(&channel->pacing, bytes_per_s, rj_now_ns());
	return 0;
}

void rj_channel_tcp_info(const struct rj_channel *channel,
			 struct rj_channel_tcp *ret)
{
	*ret = (struct rj_channel_tcp){ 0 };
	if (channel->kind == RJ_CONN_TCP)
		rj_tcp_info(channel->fd, ret);
}
