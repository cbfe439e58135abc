/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_STREAM_H
#define RJ_RINGIO_STREAM_H
/* Connections that are not dialled: fd: and file:. */
#include "ringio/endpoint.h"

/* Duplicates the descriptor after checking that it is a connected stream
 * socket, or a pipe or regular file open the right way. */
RJ_NODISCARD int rj_stream_from_fd(int fd, bool writing, struct rj_conn *ret,
				   struct ramjet_error *err);
/* For writing: created for the owner alone, or truncated. A named pipe and
 * /dev/null will do as well. */
RJ_NODISCARD int rj_stream_from_file(const char *path, bool writing,
				     struct rj_conn *ret,
				     struct ramjet_error *err);
#endif
