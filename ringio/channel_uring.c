/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The io_uring backend.
 *
 * At most one send and one receive are in flight (two sends could overtake
 * each other), with MSG_WAITALL where it pays, so that the kernel itself
 * continues a short one; what still comes up short is continued here. A poll on the
 * wake_fd stays armed in the ring. Every wait is step(): start what can be
 * started, sleep until something completes, look at what did.
 */
#include "ringio/channel_uring.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "ringio/buffers.h"
#include "ringio/channel_ops.h"
#include "ringio/ring.h"
#include "util/clock.h"
#include "util/error.h"

/* The kernel's, newer than liburing 2.3. */
#define SEND_ZC_REPORT_USAGE (1U << 3)
#define NOTIF_ZC_COPIED      (1U << 31)
/* Each may have a completion of its own in the ring, later. Chosen: half of its
 * RING_CQ_ENTRIES. */
#define PENDING_MAX 32u

enum op_id {
	OP_IGNORED, /* a cancellation's own completion */
	OP_SEND,
	OP_RECV,
	OP_WAKE,
};

struct op {
	enum op_id id;
	bool in_flight;
	bool polling;   /* what is in flight, or comes next, is a poll */
	bool begun;     /* moved something */
	bool zero_copy; /* what is in flight */
	int result;     /* the receive's; a send's goes to base.send_error */
	struct rj_iov *iov; /* NULL: nothing to do */
	uint64_t started_ns;
	uint64_t lasted_ns; /* the one before */
	struct msghdr message;
};

struct uring_channel {
	struct rj_channel base;
	struct io_uring ring;
	struct op send, recv;
	struct rj_buffers buffers;
	bool wake_armed;
};

static struct uring_channel *uring_of(struct rj_channel *channel)
{
	return rj_container_of(channel, struct uring_channel, base);
}

static struct io_uring_sqe *new_entry(struct uring_channel *c)
{
	/* Two ops, two cancellations and a poll never fill the ring, unless the
	 * kernel takes nothing from it: then there is none, NULL. */
	return io_uring_get_sqe(&c->ring);
}

static int how_to_send(const struct rj_channel *channel,
		       const struct iovec *entry)
{
	if (!channel->how || channel->zero_copy.refused)
		return RJ_CHANNEL_PLAIN;
	return channel->how[entry - channel->first];
}

/* How many bytes, from here on, make one request. */
static uint64_t stretch(const struct rj_channel *channel)
{
	const struct rj_iov *iov = &channel->send;
	uint64_t bytes = iov->entries->iov_len - iov->skip;

	if (!channel->how)
		return iov->bytes;
	if (how_to_send(channel, iov->entries) != RJ_CHANNEL_PLAIN)
		return bytes;
	for (unsigned i = 1; i < iov->count; i++) {
		if (how_to_send(channel, &iov->entries[i]) != RJ_CHANNEL_PLAIN)
			break;
		bytes += iov->entries[i].iov_len;
	}
	return bytes;
}

static void prepare_zero_copy(struct uring_channel *c, int how, int flags,
			      struct io_uring_sqe *sqe)
{
	const struct iovec *entry = c->base.send.entries;

	if (how == RJ_CHANNEL_UNREGISTERED)
		io_uring_prep_send_zc(sqe, c->base.conn.fd, entry->iov_base,
				      entry->iov_len, flags,
				      SEND_ZC_REPORT_USAGE);
	else
		io_uring_prep_send_zc_fixed(
			sqe, c->base.conn.fd, entry->iov_base, entry->iov_len,
			flags, SEND_ZC_REPORT_USAGE, (unsigned)how);
	c->send.zero_copy = true;
}

static void prepare_send(struct uring_channel *c, uint64_t bytes_max,
			 struct io_uring_sqe *sqe)
{
	const int how = how_to_send(&c->base, c->base.send.entries);
	/* A head by itself would be a packet of its own. */
	const int flags =
		MSG_WAITALL | MSG_NOSIGNAL |
		(c->base.how && bytes_max < c->base.send.bytes ? MSG_MORE : 0);

	c->send.zero_copy = false;
	if (how == RJ_CHANNEL_PLAIN)
		io_uring_prep_sendmsg(sqe, c->base.conn.fd, &c->send.message,
				      (unsigned)flags);
	else
		prepare_zero_copy(c, how, flags, sqe);
}

/*
 * MSG_WAITALL would have every packet wake the worker. Where the kernel minds
 * the low-water mark, what is there is taken, and then waited for that much.
 */
static void prepare_receive(struct uring_channel *c, struct io_uring_sqe *sqe)
{
	rj_channel_expect(&c->base, c->recv.iov->bytes);
	io_uring_prep_recvmsg(sqe, c->base.conn.fd, &c->recv.message,
			      c->base.low_water ? 0 : MSG_WAITALL);
}

static void prepare_transfer(struct uring_channel *c, struct op *op,
			     uint64_t bytes_max, struct io_uring_sqe *sqe)
{
	unsigned count = rj_iov_open(op->iov, bytes_max);
	struct iovec *entries = op->iov->entries;
	const uint64_t place = (uint64_t)rj_channel_place(&c->base);
	int fd = c->base.conn.fd;

	op->message = (struct msghdr){
		.msg_iov = entries,
		.msg_iovlen = count,
	};
	if (c->base.is_socket && op->id == OP_SEND)
		prepare_send(c, bytes_max, sqe);
	else if (c->base.is_socket)
		prepare_receive(c, sqe);
	else if (op->id == OP_SEND)
		io_uring_prep_writev(sqe, fd, entries, count, place);
	else
		io_uring_prep_readv(sqe, fd, entries, count, place);
}

/* 0, or why it could not be started. */
static int start_op(struct uring_channel *c, struct op *op, uint64_t bytes_max)
{
	struct io_uring_sqe *sqe = new_entry(c);

	if (!sqe)
		return -EBUSY;
	if (op->polling)
		io_uring_prep_poll_add(sqe, c->base.conn.fd,
				       op->id == OP_SEND ? POLLOUT : POLLIN);
	else
		prepare_transfer(c, op, bytes_max, sqe);
	io_uring_sqe_set_data64(sqe, op->id);
	op->in_flight = true;
	op->started_ns = rj_now_ns();
	return 0;
}

/*
 * A send for which the kernel waits until all is gone says how much was, when
 * TCP gives up in the middle, and forgets why; the next one sees a closed
 * socket only. So whether it stood still for as long as TCP waits tells: some
 * of that time is the send's before it.
 */
static int explain_close(const struct uring_channel *c, const struct op *op)
{
	unsigned limit_ms = 0;
	socklen_t bytes = sizeof(limit_ms);

	if (op->id == OP_SEND &&
	    !getsockopt(c->base.conn.fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
			&limit_ms, &bytes) &&
	    limit_ms && op->lasted_ns >= limit_ms * UINT64_C(500000))
		return -ETIMEDOUT;
	return -EPIPE;
}

/* Refusals of zero copy itself; plain sends may still work. */
static bool is_refusal(int result)
{
	switch (result) {
	case -EINVAL:
	case -EOPNOTSUPP:
	case -ENOMEM:
	case -ENOBUFS:
	case -EPERM:
	case -EFAULT:
		return true;
	default:
		return false;
	}
}

/* 0, or why this op is at its end. */
static int take_result(struct uring_channel *c, struct op *op, int result)
{
	op->in_flight = false;
	if (op->polling) {
		op->polling = false;
		return result < 0 ? result : 0;
	}
	rj_iov_close(op->iov, result > 0 ? (size_t)result : 0);
	if (result == -EINTR)
		return 0;
	if (result == -EAGAIN) {
		/* A non-blocking pipe, on kernels that do not wait for it. */
		op->polling = true;
		return 0;
	}
	if (op->zero_copy && is_refusal(result)) {
		c->base.zero_copy.refused = result;
		return 0;
	}
	if (result == -EPIPE)
		return explain_close(c, op);
	if (result < 0)
		return result;
	op->lasted_ns = rj_now_ns() - op->started_ns;
	if (result == 0)
		return op->id == OP_SEND || op->begun ? -EPIPE : -ENODATA;
	op->begun = true;
	rj_channel_moved(&c->base, (uint64_t)result);
	return 0;
}

/* The kernel has let go of what a zero-copy send sent. */
static void take_notification(struct uring_channel *c, int result)
{
	c->base.zero_copy.pending--;
	if ((unsigned)result & NOTIF_ZC_COPIED)
		c->base.zero_copy.copied++;
}

static void complete(struct uring_channel *c, const struct io_uring_cqe *cqe)
{
	switch ((enum op_id)io_uring_cqe_get_data64(cqe)) {
	case OP_SEND:
		if (cqe->flags & IORING_CQE_F_NOTIF) {
			take_notification(c, cqe->res);
			return;
		}
		if (cqe->flags & IORING_CQE_F_MORE) {
			c->base.zero_copy.sends++;
			c->base.zero_copy.pending++;
		}
		if (!c->send.polling && cqe->res > 0)
			rj_pacing_take(&c->base.pacing, (uint64_t)cqe->res);
		c->base.send_error = take_result(c, &c->send, cqe->res);
		if (c->base.send_error)
			c->base.send.bytes = 0;
		return;
	case OP_RECV:
		c->recv.result = take_result(c, &c->recv, cqe->res);
		return;
	case OP_WAKE:
		c->wake_armed = false;
		return;
	case OP_IGNORED:
		return;
	}
}

/* Look at all completions; none of this waits. */
static void reap(struct uring_channel *c)
{
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&c->ring, &cqe)) {
		complete(c, cqe);
		io_uring_cqe_seen(&c->ring, cqe);
	}
}

static bool may_send(const struct uring_channel *c)
{
	return c->base.send.bytes && !c->send.in_flight &&
	       c->base.zero_copy.pending < PENDING_MAX;
}

/* Start what can be started; false when there was nothing. */
static bool pump(struct uring_channel *c)
{
	bool started = false;

	if (may_send(c)) {
		uint64_t allowed = rj_pacing_allow(
			&c->base.pacing, stretch(&c->base), rj_now_ns());

		if (allowed) {
			c->base.send_error = start_op(c, &c->send, allowed);
			if (c->base.send_error)
				c->base.send.bytes = 0;
			started = true;
		}
	}
	if (c->recv.iov && c->recv.iov->bytes && !c->recv.in_flight &&
	    !c->recv.result) {
		c->recv.result = start_op(c, &c->recv, c->recv.iov->bytes);
		started = true;
	}
	return started;
}

static void arm_wake(struct uring_channel *c)
{
	struct io_uring_sqe *sqe;

	if (c->wake_armed || c->base.wake_fd < 0)
		return;
	sqe = new_entry(c);
	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, c->base.wake_fd, POLLIN);
	io_uring_sqe_set_data64(sqe, OP_WAKE);
	c->wake_armed = true;
}

/* The poll may have seen a wake that was taken back since. */
static bool is_awake(struct uring_channel *c)
{
	struct pollfd wake = { .fd = c->base.wake_fd, .events = POLLIN };

	return c->base.wake_fd >= 0 && !c->wake_armed && poll(&wake, 1, 0) > 0;
}

/* Busy: completions must be looked at first. */
static bool is_passing(int rc)
{
	return rc == -EINTR || rc == -EAGAIN || rc == -EBUSY;
}

/* A send that the pace holds back is not in flight: time has to pass. */
static int sleep_until_completion(struct uring_channel *c)
{
	uint64_t now = rj_now_ns(), ready_ns = 0, left;
	struct __kernel_timespec timeout;
	int rc;

	if (c->base.send.bytes && !c->send.in_flight)
		ready_ns = rj_pacing_ready_ns(&c->base.pacing,
					      c->base.send.bytes, now);
	left = ready_ns > now ? ready_ns - now : 0;
	timeout.tv_sec = (long long)(left / 1000000000u);
	timeout.tv_nsec = (long long)(left % 1000000000u);
	rc = rj_ring_wait(&c->ring, ready_ns ? &timeout : NULL);
	return rc < 0 && rc != -ETIME && !is_passing(rc) ? rc : 0;
}

static int step(struct uring_channel *c)
{
	int rc;

	(void)pump(c);
	arm_wake(c);
	rc = sleep_until_completion(c);
	if (rc)
		return rc;
	reap(c);
	return is_awake(c) ? -ECANCELED : 0;
}

/* Until the kernel is done with the op's memory, whatever else happens. */
static void cancel(struct uring_channel *c, struct op *op)
{
	struct io_uring_sqe *sqe;
	int rc = 0;

	reap(c);
	if (!op->in_flight)
		return;
	sqe = new_entry(c);
	if (sqe) {
		io_uring_prep_cancel64(sqe, op->id, 0);
		io_uring_sqe_set_data64(sqe, OP_IGNORED);
	}
	/* Beyond the harmless ones, errors are those of a broken ring. */
	while (!rc && op->in_flight) {
		rc = rj_ring_wait(&c->ring, NULL);
		rc = rc < 0 && !is_passing(rc) ? rc : 0;
		reap(c);
	}
}

static int send_progress(struct rj_channel *channel)
{
	struct uring_channel *c = uring_of(channel);

	for (;;) {
		int rc;

		reap(c);
		if (!pump(c))
			return 0;
		rc = io_uring_submit(&c->ring);
		if (rc < 0 && !is_passing(rc)) {
			cancel(c, &c->send);
			return rc;
		}
	}
}

static int send_start(struct rj_channel *channel)
{
	struct uring_channel *c = uring_of(channel);

	c->send.iov = &channel->send;
	return send_progress(channel);
}

static int send_wait(struct rj_channel *channel)
{
	struct uring_channel *c = uring_of(channel);
	int rc = 0;

	while (!rc && channel->send.bytes)
		rc = step(c);
	if (rc)
		cancel(c, &c->send);
	if (!channel->send.bytes)
		rc = channel->send_error;
	channel->send_error = 0;
	return rc;
}

static int receive(struct rj_channel *channel, struct rj_iov *iov)
{
	struct uring_channel *c = uring_of(channel);
	int rc = 0;

	c->recv.iov = iov;
	c->recv.begun = false;
	c->recv.result = 0;
	while (!rc && iov->bytes && !c->recv.result)
		rc = step(c);
	if (rc)
		cancel(c, &c->recv);
	c->recv.iov = NULL;
	if (!iov->bytes)
		return 0;
	return rc ? rc : c->recv.result;
}

static int register_buffer(struct rj_channel *channel, void *base, size_t bytes)
{
	struct uring_channel *c = uring_of(channel);

	return rj_buffers_add(&c->buffers, &c->ring, base, bytes);
}

static void unregister_buffer(struct rj_channel *channel, int buffer)
{
	struct uring_channel *c = uring_of(channel);

	channel->zero_copy.pinned_bytes -=
		rj_buffers_remove(&c->buffers, &c->ring, buffer);
}

static int drain(struct rj_channel *channel)
{
	struct uring_channel *c = uring_of(channel);
	int rc = 0;

	reap(c);
	while (!rc && channel->zero_copy.pending)
		rc = step(c);
	return rc;
}

static void destroy(struct rj_channel *channel)
{
	struct uring_channel *c = uring_of(channel);

	cancel(c, &c->send);
	rj_buffers_done(&c->buffers);
	rj_ring_close(&c->ring);
	free(c);
}

static const struct rj_channel_ops ops = {
	.send_start = send_start,
	.send_progress = send_progress,
	.send_wait = send_wait,
	.recv = receive,
	.register_buffer = register_buffer,
	.unregister_buffer = unregister_buffer,
	.drain = drain,
	.free = destroy,
};

int rj_channel_uring_new(struct rj_channel **ret, struct ramjet_error *err)
{
	struct uring_channel *c = calloc(1, sizeof(*c));
	const char *granted;
	char why[128];
	int rc;

	if (!c)
		return rj_fail_errno(err, -ENOMEM, "channel");
	rc = rj_ring_open(&c->ring, &granted);
	if (rc) {
		free(c);
		rj_ring_explain(rc, granted, why, sizeof(why));
		return rj_fail(err, rc, "%s", why);
	}
	c->send.id = OP_SEND;
	c->recv.id = OP_RECV;
	c->base.ops = &ops;
	c->base.backend = RAMJET_BACKEND_URING;
	(void)snprintf(c->base.reason, sizeof(c->base.reason), "%s", granted);
	*ret = &c->base;
	return 0;
}
