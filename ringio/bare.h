/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_BARE_H
#define RJ_RINGIO_BARE_H
/* Operations on the bare descriptor, for kinds that add something to it: files
 * and commands. */
#include "ringio/conn_ops.h"
#include "ringio/endpoint.h"

/* For descriptors that are no sockets. */
ssize_t rj_bare_write(const struct rj_conn *conn, const struct iovec *iov,
		      unsigned count);
ssize_t rj_bare_read(const struct rj_conn *conn, const struct iovec *iov,
		     unsigned count);
int rj_bare_poll_fd(const struct rj_conn *conn, short *events);
#endif
