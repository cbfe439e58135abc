/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/ringio/xor_conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ringio/conn_ops.h"

#define AHEAD_BYTES 16384u
#define SEND_BYTES  65536u

struct xored {
	struct rj_conn below;
	struct xor_options is;
	/* of who sends */
	uint64_t sent;
	uint8_t out[SEND_BYTES];
	/* of who receives */
	uint64_t received;
	uint8_t ahead[AHEAD_BYTES]; /* deciphered, not yet taken */
	size_t ahead_at, ahead_end;
};

static uint8_t key(uint64_t place)
{
	return (uint8_t)(0xa5 + place * 7 + (place >> 8) * 3);
}

/* What is sent may be a running guest's. */
RJ_GUEST_MEMORY static size_t encipher(struct xored *x, const struct iovec *iov,
				       unsigned count)
{
	const size_t most = x->is.piece && x->is.piece < SEND_BYTES
				    ? x->is.piece
				    : SEND_BYTES;
	size_t have = 0;

	for (unsigned i = 0; i < count; i++) {
		const volatile uint8_t *from = iov[i].iov_base;

		for (size_t at = 0; at < iov[i].iov_len && have < most; at++) {
			x->out[have] = from[at] ^ key(x->sent + have);
			have++;
		}
	}
	return have;
}

static ssize_t send_some(const struct rj_conn *conn, const struct iovec *iov,
			 unsigned count)
{
	struct xored *x = conn->own;
	const struct iovec out = {
		.iov_base = x->out,
		.iov_len = encipher(x, iov, count),
	};
	ssize_t n;

	if (x->is.fails && x->sent >= x->is.sound_bytes)
		return x->is.fails;
	n = x->below.ops->send(&x->below, &out, 1);
	x->sent += n > 0 ? (uint64_t)n : 0;
	return n;
}

static ssize_t read_ahead(struct xored *x)
{
	const ssize_t n = rj_conn_receive(&x->below, x->ahead, AHEAD_BYTES);

	for (ssize_t i = 0; i < n; i++)
		x->ahead[i] ^= key(x->received + (uint64_t)i);
	if (n <= 0)
		return n;
	x->received += (uint64_t)n;
	x->ahead_at = 0;
	x->ahead_end = (size_t)n;
	return n;
}

static ssize_t receive_some(const struct rj_conn *conn, const struct iovec *iov,
			    unsigned count)
{
	struct xored *x = conn->own;
	size_t most = x->is.piece ? x->is.piece : AHEAD_BYTES, done = 0;

	if (x->is.fails && x->received >= x->is.sound_bytes)
		return x->is.fails;
	if (x->ahead_at == x->ahead_end) {
		const ssize_t n = read_ahead(x);

		if (n <= 0)
			return n;
	}
	for (unsigned i = 0; i < count && done < most; i++) {
		size_t bytes = x->ahead_end - x->ahead_at;

		if (bytes > iov[i].iov_len)
			bytes = iov[i].iov_len;
		if (bytes > most - done)
			bytes = most - done;
		memcpy(iov[i].iov_base, x->ahead + x->ahead_at, bytes);
		x->ahead_at += bytes;
		done += bytes;
	}
	return (ssize_t)done;
}

static int poll_fd(const struct rj_conn *conn, short *events)
{
	const struct xored *x = conn->own;

	return x->is.blind ? -1 : x->below.ops->poll_fd(&x->below, events);
}

static bool is_pending(const struct rj_conn *conn)
{
	const struct xored *x = conn->own;

	return x->ahead_at < x->ahead_end;
}

static uint64_t outstanding(const struct rj_conn *conn)
{
	const struct xored *x = conn->own;

	return rj_conn_outstanding(&x->below);
}

static int peer(const struct rj_conn *conn, struct sockaddr_storage *ret,
		socklen_t *ret_bytes)
{
	const struct xored *x = conn->own;

	return rj_conn_peer(&x->below, ret, ret_bytes);
}

static void shut_down(const struct rj_conn *conn)
{
	const struct xored *x = conn->own;

	rj_conn_shut_down(&x->below);
}

static int finish(struct rj_conn *conn, uint64_t deadline_ns, int wake_fd,
		  struct ramjet_error *err)
{
	struct xored *x = conn->own;
	const int rc = rj_conn_finish(&x->below, deadline_ns, wake_fd, err);

	free(x);
	return rc;
}

static void describe(const struct rj_conn *conn, char *buffer, size_t bytes)
{
	const struct xored *x = conn->own;
	char below[160];

	rj_conn_describe(&x->below, below, sizeof(below));
	(void)snprintf(buffer, bytes, "xor over %s", below);
}

#define OPERATIONS                                                          \
	.send = send_some, .receive = receive_some, .poll_fd = poll_fd,     \
	.is_pending = is_pending, .outstanding = outstanding, .peer = peer, \
	.shut_down = shut_down, .finish = finish, .describe = describe

struct rj_conn xor_conn_over(const struct rj_conn *below,
			     const struct xor_options *is)
{
	static const struct rj_conn_ops one_way = { OPERATIONS };
	static const struct rj_conn_ops two_way = { OPERATIONS,
						    .two_way = true };
	struct xored *x = calloc(1, sizeof(*x));

	if (!x)
		abort();
	x->below = *below;
	x->is = *is;
	return (struct rj_conn){
		.fd = -1,
		.kind = RJ_CONN_OTHER,
		.ops = rj_conn_is_two_way(below) ? &two_way : &one_way,
		.own = x,
	};
}
