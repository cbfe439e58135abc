/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_DIAL_H
#define RJ_RINGIO_DIAL_H
/*
 * One TCP connection to whichever address of a list answers. They are tried
 * side by side, each a quarter of a second after the one before, or as soon as
 * that one is refused (RFC 8305): one that swallows packets delays nobody.
 */
#include <netdb.h>

#include "ringio/endpoint.h"

/* Addresses of one name; further ones are not tried. Chosen. */
#define RJ_DIAL_MAX 32u
/* Chosen: room for the refusals of a few addresses in one error. */
#define RJ_DIAL_REASONS 320u
/* RFC 8305's "connection attempt delay". */
#define RJ_DIAL_STAGGER_NS 250000000u

/* 0; -ECANCELED; or the errno of the first address, with what happened at
 * each in `reasons` (RJ_DIAL_REASONS bytes). Waits as rj_wait_fd(). */
RJ_NODISCARD int rj_dial(const struct addrinfo *list, uint64_t deadline_ns,
			 int wake_fd, struct rj_conn *ret, char *reasons);
/* What went wrong at this address, in words: "10.0.0.1:4: Connection
 * refused"; for binding, too. */
void rj_address_explain(const struct addrinfo *info, int rc, char *text,
			size_t size);
#endif
