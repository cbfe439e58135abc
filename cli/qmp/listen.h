/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QMP_LISTEN_H
#define RJ_CLI_QMP_LISTEN_H
/* Monitor sockets by name, on both ends. */
#include "ramjet.h"
#include "util/compiler.h"
#include "util/socket_file.h"

/* "unix:PATH" or "PATH": PATH, borrowed from `address`. NULL when there is
 * nothing after "unix:". */
const char *rj_qmp_path(const char *address);
/* A listener on `path`, see util/socket_file.h. Returns the descriptor. */
RJ_NODISCARD int rj_qmp_listen(const char *path, struct rj_socket_file *ret,
			       struct ramjet_error *err);
/* Connect to the listener on `path`. Returns the descriptor, blocking. */
RJ_NODISCARD int rj_qmp_connect(const char *path, struct ramjet_error *err);
#endif
