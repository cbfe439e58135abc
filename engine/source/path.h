/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_PATH_H
#define RJ_ENGINE_SOURCE_PATH_H
/* The path to the target, end to end: how long the way there and back is. The
 * control thread's. */
#include "engine/source/outgoing.h"

/* Ask the target for an answer, when it is time. */
RJ_NODISCARD int rj_path_ping(struct rj_source_session *session,
			      const struct rj_forecast *forecast,
			      struct ramjet_error *err);
/* Is the path's round trip known, by an answer or by a small round? One way
 * there is none: always true. */
bool rj_path_is_known(const struct rj_source_session *session,
		      const struct rj_forecast *forecast);
/* Take the round trip that was measured into the forecast. */
void rj_path_take_rtt(const struct rj_source_session *session,
		      const struct rj_source_lanes *lanes,
		      struct rj_forecast *forecast);
#endif
