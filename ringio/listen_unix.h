/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_LISTEN_UNIX_H
#define RJ_RINGIO_LISTEN_UNIX_H
#include "ringio/uri.h"
#include "util/compiler.h"

/* A listening socket at the path of a unix: URI, mode 0600, or a negative
 * errno. */
RJ_NODISCARD int rj_listen_unix(const struct rj_uri *uri,
				struct ramjet_error *err);
/* Remove the socket file, and nothing that is not one. */
void rj_listen_unix_unlink(const char *path);
#endif
