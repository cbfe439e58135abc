/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_LISTEN_TCP_H
#define RJ_RINGIO_LISTEN_TCP_H
#include "ringio/endpoint.h"

/*
 * Listen on every address of a tcp: URI's host that this machine has, all with
 * one port. Fills fd, sockets, socket_count, bound_uri and more_uris. Waits, for
 * the name to be looked up, as rj_wait_fd().
 */
RJ_NODISCARD int rj_listen_tcp(const struct rj_uri *uri, uint64_t deadline_ns,
			       int wake_fd, struct rj_listener *ret,
			       struct ramjet_error *err);
#endif
