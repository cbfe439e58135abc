/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_HELLO_H
#define RJ_ENGINE_HELLO_H
/* The first frame on every connection, before anyone owns it. */
#include "engine/wire.h"

RJ_NODISCARD int rj_hello_send(int fd, const struct rj_hello *hello,
			       uint64_t deadline_ns, int wake_fd,
			       struct ramjet_error *err);
/* A frame other than HELLO is refused; FAILED becomes its message. */
RJ_NODISCARD int rj_hello_receive(int fd, struct rj_hello *ret,
				  uint64_t deadline_ns, int wake_fd,
				  struct ramjet_error *err);
/* What a HELLO takes on the wire. */
#define RJ_HELLO_FRAME_BYTES (RJ_HEADER_BYTES + RJ_HELLO_BYTES)
#endif
