/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_REFUSAL_H
#define RJ_ENGINE_LINK_REFUSAL_H
/* What a connection hears that a target does not want: FAILED, and why. */
#include <stdint.h>

#include "ramjet.h"
#include "ringio/endpoint.h"
#include "util/log.h"

/* Log it and say so, until deadline_ns; the connection stays open. A peer that
 * does not listen is no error. */
void rj_refuse_until(const struct rj_conn *conn, uint64_t deadline_ns,
		     const struct ramjet_error *why, const struct rj_log *log);
/* The same within 100 ms, and close it. */
void rj_refuse(struct rj_conn *conn, const struct ramjet_error *why,
	       const struct rj_log *log);
#endif
