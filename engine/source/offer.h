/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_OFFER_H
#define RJ_ENGINE_SOURCE_OFFER_H
/*
 * By what means fewer bytes are sent: what the parameters want and this build
 * can do is offered to the target, and what it takes of that is used. The
 * control thread's.
 */
#include "engine/link/link.h"
#include "engine/source/outgoing.h"

/* -EOPNOTSUPP: what is asked for is not in this build. */
RJ_NODISCARD int rj_offer_check(const struct ramjet_params *params,
				struct ramjet_error *err);
/* Before BLOCKS: OFFER, if there is anything to offer; one way nobody is
 * asked. */
RJ_NODISCARD int rj_offer_send(struct rj_source_session *session,
			       const struct rj_env *env,
			       struct ramjet_error *err);
/* TAKES. */
RJ_NODISCARD int rj_offer_answered(struct rj_source_session *session,
				   const struct rj_message *message,
				   struct ramjet_error *err);
/* The channels are connected: fill in lanes->reduction, and report it. */
RJ_NODISCARD int rj_offer_settle(const struct rj_source_session *session,
				 struct rj_source_lanes *lanes,
				 const struct rj_env *env,
				 struct ramjet_error *err);
/* What copies of sent pages are good for so far, to the statistics. */
void rj_offer_record(const struct rj_source_lanes *lanes,
		     const struct rj_env *env);
#endif
