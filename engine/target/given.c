/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections that the VMM gives the target. */
#include <errno.h>

#include "engine/target/incoming.h"
#include "ramjet-connect.h"
#include "ringio/given.h"
#include "util/error.h"

static int give(struct rj_intake *intake, const struct ramjet_connection *given,
		struct ramjet_error *err)
{
	struct rj_arrival arrival = {
		.hello_ns = given->hello_timeout_ms * UINT64_C(1000000),
	};
	int rc = rj_given_open(given, &arrival.conn, err);

	if (rc)
		return rc;
	rc = rj_intake_give(intake, &arrival, err);
	if (rc)
		rj_given_leave(given, &arrival.conn);
	else
		rj_given_take(given);
	return rc;
}

RAMJET_API int ramjet_incoming_give(struct ramjet_migration *migration,
				    const struct ramjet_connection *connection,
				    struct ramjet_error *err)
{
	struct ramjet_connection given;
	struct ramjet_connection_ops ops;
	int rc;

	rj_error_clear(err);
	if (!migration || migration->outgoing ||
	    migration->uri.scheme != RJ_URI_VMM)
		return rj_fail(err, -EINVAL,
			       "connection: given to no such migration, wanted "
			       "one of ramjet_incoming_over()");
	rc = rj_given_load(connection, &given, &ops, err);
	return rc ? rc : give(&migration->in->intake, &given, err);
}
