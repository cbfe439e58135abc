/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_GIVEN_H
#define RJ_RINGIO_GIVEN_H
/* Connections that the VMM has made: ramjet-connect.h. */
#include "ramjet-connect.h"
#include "ringio/endpoint.h"

/* What the VMM has filled in, checked and as we know it. */
RJ_NODISCARD int rj_given_load(const struct ramjet_connection *from,
			       struct ramjet_connection *ret,
			       struct ramjet_connection_ops *ret_ops,
			       struct ramjet_error *err);
/*
 * A connection of it (loaded, which is copied). What was given stays the VMM's
 * until rj_given_take(); rj_given_leave() leaves it to the VMM for good.
 */
RJ_NODISCARD int rj_given_open(const struct ramjet_connection *given,
			       struct rj_conn *ret, struct ramjet_error *err);
/* From here on closing `conn` closes what was given. */
void rj_given_take(const struct ramjet_connection *given);
/* Instead: `conn` is no more. */
void rj_given_leave(const struct ramjet_connection *given,
		    struct rj_conn *conn);
/* What was given has been taken, but can't be opened: close it. */
void rj_given_close(const struct ramjet_connection *given);
#endif
