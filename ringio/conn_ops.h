/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_CONN_OPS_H
#define RJ_RINGIO_CONN_OPS_H
/*
 * The operations of a connection: a new kind of connection (TLS, a relay,
 * callbacks of the VMM) is a table of them. Everybody else calls the functions
 * of ringio/endpoint.h.
 *
 * Threads: one thread may send while another receives; two never send, or
 * receive, at the same time. struct rj_conn is copied by value, so the state of
 * a connection belongs behind conn->own.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "ramjet.h"

struct rj_conn;

struct rj_conn_ops {
	/* System calls on conn->fd do the same as send and receive: so a channel
	 * may use them, or io_uring, and leave the operations aside. */
	bool bare;
	bool two_way;
	/*
	 * Both return without waiting, and raise no signal: the number of bytes
	 * that were moved, -EAGAIN when none can be now, or another errno when the
	 * connection is broken (never -EINTR). What is sent may be live memory of
	 * the guest, which changes meanwhile: read each byte once.
	 */
	ssize_t (*send)(const struct rj_conn *conn, const struct iovec *iov,
			unsigned count);
	/* 0: the peer sends nothing more. */
	ssize_t (*receive)(const struct rj_conn *conn, const struct iovec *iov,
			   unsigned count);
	/*
	 * The descriptor to poll() after -EAGAIN. -1: there is none, and it is
	 * tried again every RJ_CONN_LOOK_NS. *events is POLLIN or POLLOUT, what
	 * the caller wants to do; it may be changed to what must be polled for
	 * first.
	 */
	int (*poll_fd)(const struct rj_conn *conn, short *events);
	/* Can something be received that poll() does not show, such as bytes that
	 * are deciphered already? NULL: never. Asked by who receives. */
	bool (*is_pending)(const struct rj_conn *conn);
	/* Bytes sent that the peer's machine has not acknowledged. NULL: unknown,
	 * counts as none. */
	uint64_t (*outstanding)(const struct rj_conn *conn);
	/* As rj_conn_peer(). NULL: it goes to no address. */
	int (*peer)(const struct rj_conn *conn, struct sockaddr_storage *ret,
		    socklen_t *ret_bytes);
	/* Tell the peer that nothing more will be sent; receiving goes on. NULL:
	 * not possible. */
	void (*shut_down)(const struct rj_conn *conn);
	/* As rj_conn_finish(). Frees what is behind conn->own, also on failure. */
	int (*finish)(struct rj_conn *conn, uint64_t deadline_ns, int wake_fd,
		      struct ramjet_error *err);
	/* As rj_conn_describe(). */
	void (*describe)(const struct rj_conn *conn, char *buffer,
			 size_t bytes);
};
#endif
