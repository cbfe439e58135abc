/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * While faults of connections are armed, whatever the engine opens or accepts is
 * wrapped, so that each send and receive of both sides is a step.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "ringio/conn_ops.h"
#include "ringio/endpoint.h"
#include "tests/unit/engine/sweep/fault.h"
#include "util/compiler.h"

struct faulty {
	struct rj_conn below;
	atomic_int broken; /* 0, or the errno of everything from now on */
};

static ssize_t break_off(struct faulty *f, int code)
{
	atomic_store(&f->broken, code);
	return code;
}

/* Half of it arrives: of a message, a part. */
static ssize_t send_half(struct faulty *f, const struct iovec *iov)
{
	const struct iovec half = {
		.iov_base = iov->iov_base,
		.iov_len = (iov->iov_len + 1) / 2,
	};
	const ssize_t n = f->below.ops->send(&f->below, &half, 1);

	atomic_store(&f->broken, -EPIPE);
	rj_conn_shut_down(&f->below);
	return n;
}

static ssize_t send_some(const struct rj_conn *conn, const struct iovec *iov,
			 unsigned count)
{
	const struct iovec one = { .iov_base = iov->iov_base, .iov_len = 1 };
	struct faulty *f = conn->own;

	if (atomic_load(&f->broken))
		return atomic_load(&f->broken);
	switch (fault_step(FAULT_CONN)) {
	case FAULT_ERROR:
		return break_off(f, -ECONNRESET);
	case FAULT_DELAY:
		fault_nap();
		return -EAGAIN;
	case FAULT_SHORT:
		return f->below.ops->send(&f->below, iov->iov_len ? &one : iov,
					  1);
	case FAULT_CUT:
		return send_half(f, iov);
	default:
		return f->below.ops->send(&f->below, iov, count);
	}
}

/* One bit in the middle of what came. */
static void flip(const struct iovec *iov, unsigned count, ssize_t n)
{
	size_t at = (size_t)n / 2;

	for (unsigned i = 0; i < count; i++) {
		if (at < iov[i].iov_len) {
			((uint8_t *)iov[i].iov_base)[at] ^= 16;
			return;
		}
		at -= iov[i].iov_len;
	}
}

static ssize_t receive_some(const struct rj_conn *conn, const struct iovec *iov,
			    unsigned count)
{
	const struct iovec one = { .iov_base = iov->iov_base, .iov_len = 1 };
	struct faulty *f = conn->own;
	ssize_t n;

	if (atomic_load(&f->broken))
		return atomic_load(&f->broken);
	switch (fault_step(FAULT_CONN)) {
	case FAULT_ERROR:
	case FAULT_CUT:
		return break_off(f, -ECONNRESET);
	case FAULT_DELAY:
		fault_nap();
		return -EAGAIN;
	case FAULT_SHORT:
		return f->below.ops->receive(&f->below,
					     iov->iov_len ? &one : iov, 1);
	default:
		n = f->below.ops->receive(&f->below, iov, count);
		if (n > 0 && fault_step(FAULT_CONN_IN) == FAULT_FLIP)
			flip(iov, count, n);
		return n;
	}
}

static int poll_fd(const struct rj_conn *conn, short *events)
{
	const struct faulty *f = conn->own;

	/* What is broken is found so at once. */
	return atomic_load(&f->broken)
		       ? -1
		       : f->below.ops->poll_fd(&f->below, events);
}

static uint64_t outstanding(const struct rj_conn *conn)
{
	const struct faulty *f = conn->own;

	return rj_conn_outstanding(&f->below);
}

static int peer(const struct rj_conn *conn, struct sockaddr_storage *ret,
		socklen_t *ret_bytes)
{
	const struct faulty *f = conn->own;

	return rj_conn_peer(&f->below, ret, ret_bytes);
}

static void shut_down(const struct rj_conn *conn)
{
	const struct faulty *f = conn->own;

	rj_conn_shut_down(&f->below);
}

static int finish(struct rj_conn *conn, uint64_t deadline_ns, int wake_fd,
		  struct ramjet_error *err)
{
	struct faulty *f = conn->own;
	const int rc = rj_conn_finish(&f->below, deadline_ns, wake_fd, err);

	free(f);
	return rc;
}

static void describe(const struct rj_conn *conn, char *buffer, size_t bytes)
{
	const struct faulty *f = conn->own;
	char below[160];

	rj_conn_describe(&f->below, below, sizeof(below));
	(void)snprintf(buffer, bytes, "faulty %s", below);
}

static const struct rj_conn_ops faulty_ops = {
	.two_way = true,
	.send = send_some,
	.receive = receive_some,
	.poll_fd = poll_fd,
	.outstanding = outstanding,
	.peer = peer,
	.shut_down = shut_down,
	.finish = finish,
	.describe = describe,
};

static int wrap(int rc, struct rj_conn *conn)
{
	struct faulty *f;

	if (rc ||
	    (!fault_is_armed(FAULT_CONN) && !fault_is_armed(FAULT_CONN_IN)))
		return rc;
	f = calloc(1, sizeof(*f));
	if (!f)
		abort();
	f->below = *conn;
	*conn = (struct rj_conn){
		.fd = -1,
		.kind = RJ_CONN_OTHER,
		.ops = &faulty_ops,
		.own = f,
	};
	return 0;
}

int __real_rj_connect(const struct rj_uri *uri, uint64_t deadline_ns,
		      int wake_fd, struct rj_conn *ret,
		      struct ramjet_error *err);
int __wrap_rj_connect(const struct rj_uri *uri, uint64_t deadline_ns,
		      int wake_fd, struct rj_conn *ret,
		      struct ramjet_error *err);
int __real_rj_connect_beside(const struct rj_conn *first,
			     const struct rj_uri *uri, uint64_t deadline_ns,
			     int wake_fd, struct rj_conn *ret,
			     struct ramjet_error *err);
int __wrap_rj_connect_beside(const struct rj_conn *first,
			     const struct rj_uri *uri, uint64_t deadline_ns,
			     int wake_fd, struct rj_conn *ret,
			     struct ramjet_error *err);
int __real_rj_accept(struct rj_listener *listener, uint64_t deadline_ns,
		     int wake_fd, struct rj_conn *ret,
		     struct ramjet_error *err);
int __wrap_rj_accept(struct rj_listener *listener, uint64_t deadline_ns,
		     int wake_fd, struct rj_conn *ret,
		     struct ramjet_error *err);

int __wrap_rj_connect(const struct rj_uri *uri, uint64_t deadline_ns,
		      int wake_fd, struct rj_conn *ret,
		      struct ramjet_error *err)
{
	return wrap(__real_rj_connect(uri, deadline_ns, wake_fd, ret, err),
		    ret);
}

int __wrap_rj_connect_beside(const struct rj_conn *first,
			     const struct rj_uri *uri, uint64_t deadline_ns,
			     int wake_fd, struct rj_conn *ret,
			     struct ramjet_error *err)
{
	return wrap(__real_rj_connect_beside(first, uri, deadline_ns, wake_fd,
					     ret, err),
		    ret);
}

int __wrap_rj_accept(struct rj_listener *listener, uint64_t deadline_ns,
		     int wake_fd, struct rj_conn *ret, struct ramjet_error *err)
{
	return wrap(__real_rj_accept(listener, deadline_ns, wake_fd, ret, err),
		    ret);
}
