/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/given.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ringio/conn_ops.h"
#include "ringio/stream.h"
#include "util/error.h"
#include "util/options.h"

#define FIRST_BYTES (offsetof(struct ramjet_connection, user) + sizeof(void *))
#define FIRST_OPS_BYTES                                     \
	(offsetof(struct ramjet_connection_ops, describe) + \
	 sizeof(((struct ramjet_connection_ops *)0)->describe))

struct given {
	struct ramjet_connection_ops ops;
	void *user;
};

static int load_ops(const struct ramjet_connection_ops *from,
		    struct ramjet_connection_ops *ret, struct ramjet_error *err)
{
	int rc = rj_options_copy("connection", ret, sizeof(*ret),
				 FIRST_OPS_BYTES, from, err);

	if (!rc && (!ret->send || !ret->receive || !ret->close))
		rc = rj_fail(err, -EINVAL,
			     "connection: operations without %s, wanted send, "
			     "receive and close",
			     !ret->send      ? "send"
			     : !ret->receive ? "receive"
					     : "close");
	return rc;
}

int rj_given_load(const struct ramjet_connection *from,
		  struct ramjet_connection *ret,
		  struct ramjet_connection_ops *ret_ops,
		  struct ramjet_error *err)
{
	int rc;

	*ret = (struct ramjet_connection){ RAMJET_CONNECTION_INIT };
	*ret_ops = (struct ramjet_connection_ops){ RAMJET_CONNECTION_OPS_INIT };
	rc = rj_options_copy("connection", ret, sizeof(*ret), FIRST_BYTES, from,
			     err);
	if (rc)
		return rc;
	if (!ret->ops == (ret->fd < 0))
		return rj_fail(err, -EINVAL,
			       "connection: %s, wanted a descriptor or "
			       "operations",
			       ret->ops ? "both" : "neither");
	if (!ret->ops)
		return 0;
	rc = load_ops(ret->ops, ret_ops, err);
	ret->ops = ret_ops;
	return rc;
}

/* ---- operations --------------------------------------------------------- */

static const struct given *of(const struct rj_conn *conn)
{
	return conn->own;
}

/* What the VMM says must not make us spin, or run out of a buffer. */
static ssize_t moved(ssize_t n, const struct iovec *iov, unsigned count)
{
	size_t bytes = 0;

	if (n == -EINTR)
		return -EAGAIN;
	if (n <= 0)
		return n;
	for (unsigned i = 0; i < count; i++)
		bytes += iov[i].iov_len;
	return (size_t)n <= bytes ? n : -EPROTO;
}

static ssize_t send_some(const struct rj_conn *conn, const struct iovec *iov,
			 unsigned count)
{
	const ssize_t n = moved(of(conn)->ops.send(of(conn)->user, iov, count),
				iov, count);

	return n ? n : -EAGAIN;
}

static ssize_t receive_some(const struct rj_conn *conn, const struct iovec *iov,
			    unsigned count)
{
	return moved(of(conn)->ops.receive(of(conn)->user, iov, count), iov,
		     count);
}

static int poll_fd(const struct rj_conn *conn, short *events)
{
	return of(conn)->ops.poll_fd
		       ? of(conn)->ops.poll_fd(of(conn)->user, events)
		       : -1;
}

static bool is_pending(const struct rj_conn *conn)
{
	return of(conn)->ops.is_pending &&
	       of(conn)->ops.is_pending(of(conn)->user);
}

static uint64_t outstanding(const struct rj_conn *conn)
{
	return of(conn)->ops.outstanding
		       ? of(conn)->ops.outstanding(of(conn)->user)
		       : 0;
}

static void shut_down(const struct rj_conn *conn)
{
	if (of(conn)->ops.shut_down)
		of(conn)->ops.shut_down(of(conn)->user);
}

static int finish(struct rj_conn *conn, uint64_t deadline_ns RJ_UNUSED,
		  int wake_fd RJ_UNUSED, struct ramjet_error *err RJ_UNUSED)
{
	of(conn)->ops.close(of(conn)->user);
	free(conn->own);
	return 0;
}

static void describe(const struct rj_conn *conn, char *buffer, size_t bytes)
{
	(void)snprintf(buffer, bytes, "connection of the VMM");
	if (!of(conn)->ops.describe || !bytes)
		return;
	of(conn)->ops.describe(of(conn)->user, buffer, bytes);
	buffer[bytes - 1] = '\0';
}

static int open_ops(const struct ramjet_connection *given, struct rj_conn *ret,
		    struct ramjet_error *err)
{
	static const struct rj_conn_ops operations = {
		.two_way = true,
		.send = send_some,
		.receive = receive_some,
		.poll_fd = poll_fd,
		.is_pending = is_pending,
		.outstanding = outstanding,
		.shut_down = shut_down,
		.finish = finish,
		.describe = describe,
	};
	struct given *own = malloc(sizeof(*own));

	if (!own)
		return rj_fail(err, -ENOMEM, "connection: out of memory");
	*own = (struct given){ .ops = *given->ops, .user = given->user };
	*ret = (struct rj_conn){
		.fd = -1,
		.kind = RJ_CONN_OTHER,
		.ops = &operations,
		.own = own,
	};
	return 0;
}

/* ---- either ------------------------------------------------------------- */

int rj_given_open(const struct ramjet_connection *given, struct rj_conn *ret,
		  struct ramjet_error *err)
{
	struct stat st;

	if (given->ops)
		return open_ops(given, ret, err);
	if (!fstat(given->fd, &st) && !S_ISSOCK(st.st_mode))
		return rj_fail(
			err, -EINVAL,
			"connection: fd %d is no socket, wanted one (pipes "
			"and files go by the URI fd:%d)",
			given->fd, given->fd);
	return rj_stream_from_fd(given->fd, true, ret, err);
}

void rj_given_take(const struct ramjet_connection *given)
{
	/* Ours is a copy of it. */
	if (!given->ops)
		(void)close(given->fd);
}

void rj_given_leave(const struct ramjet_connection *given, struct rj_conn *conn)
{
	if (given->ops)
		free(conn->own);
	else
		(void)rj_conn_close(conn, 0, NULL);
	*conn = (struct rj_conn)RJ_CONN_NONE;
}

void rj_given_close(const struct ramjet_connection *given)
{
	if (given->ops)
		given->ops->close(given->user);
	else
		(void)close(given->fd);
}
