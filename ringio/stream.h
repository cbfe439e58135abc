/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_STREAM_H
#define RJ_RINGIO_STREAM_H
/* Connections that the caller has made: fd:. */
#include "ringio/endpoint.h"

/* Duplicates the descriptor after checking that it is a connected stream
 * socket, or a pipe or regular file open the right way. */
RJ_NODISCARD int rj_stream_from_fd(int fd, bool writing, struct rj_conn *ret,
				   struct ramjet_error *err);
#endif
