/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_HELLO_H
#define RJ_ENGINE_LINK_HELLO_H
/* The first frame on every connection, before anyone owns it. */
#include "engine/wire/wire.h"
#include "ringio/endpoint.h"

/* What a HELLO takes on the wire. */
#define RJ_HELLO_FRAME_BYTES (RJ_HEADER_BYTES + RJ_HELLO_BYTES)

RJ_NODISCARD int rj_hello_send(const struct rj_conn *conn,
			       const struct rj_hello *hello,
			       uint64_t deadline_ns, int wake_fd,
			       struct ramjet_error *err);
/* A frame other than HELLO is refused; FAILED becomes its message. */
RJ_NODISCARD int rj_hello_receive(const struct rj_conn *conn,
				  struct rj_hello *ret, uint64_t deadline_ns,
				  int wake_fd, struct ramjet_error *err);

/* The same without waiting, for many connections at a time. */
struct rj_hello_reader {
	size_t have;
	uint8_t wire[RJ_HEADER_BYTES + RJ_FAILED_BYTES_MAX];
};
/* 1: `ret` is there; 0: call again when there is more, see rj_conn_wait(); or
 * an error. `reader` begins zeroed. */
RJ_NODISCARD int rj_hello_read(const struct rj_conn *conn,
			       struct rj_hello_reader *reader,
			       struct rj_hello *ret, struct ramjet_error *err);
#endif
