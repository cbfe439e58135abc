/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_ADDRESS_H
#define RJ_RINGIO_ADDRESS_H
/* Socket addresses made from URIs, and both as text. */
#include <linux/vm_sockets.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ringio/uri.h"

/* A unix path of 107 bytes, or an IPv6 address with scope and port, and what
 * stands before them. */
#define RJ_ADDRESS_TEXT_MAX 160u

union rj_address {
	struct sockaddr any;
	struct sockaddr_un local;
	struct sockaddr_vm vm;
	struct sockaddr_storage storage;
};

/* A unix: or vsock: URI's; returns its length. */
socklen_t rj_address_of_uri(const struct rj_uri *uri, union rj_address *ret);
/* "127.0.0.1:4000", "[::1]:4000", "/run/x.sock", "3:4000", "unnamed". */
void rj_address_format(const union rj_address *address, socklen_t bytes,
		       char *text, size_t size);
/* The URI as it was written, cut to fit. */
void rj_uri_format(const struct rj_uri *uri, char *text, size_t size);
#endif
