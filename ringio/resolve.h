/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_RESOLVE_H
#define RJ_RINGIO_RESOLVE_H
#include <netdb.h>

#include "ringio/uri.h"
#include "util/compiler.h"

/*
 * The addresses of a tcp: URI, for bind() when `passive`, else for connect();
 * *ret is the caller's to freeaddrinfo(). The resolver knows no deadlines, so
 * names are looked up on a thread of their own, abandoned (it ends by itself)
 * with -ETIMEDOUT or -ECANCELED; as rj_wait_fd().
 */
RJ_NODISCARD int rj_resolve(const struct rj_uri *uri, bool passive,
			    uint64_t deadline_ns, int wake_fd,
			    struct addrinfo **ret, struct ramjet_error *err);
#endif
