/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_CONNECTIONS_H
#define RJ_ENGINE_SOURCE_CONNECTIONS_H
/* How the source comes to its connections. The control thread's. */
#include "engine/migration/callback.h"
#include "engine/source/outgoing.h"

struct rj_reach {
	int channel;            /* or RAMJET_CONNECT_CONTROL */
	unsigned channel_count; /* as far as it is known */
	uint64_t deadline_ns;
};

/* One to the target, where the URI or the VMM's connector leads: the control
 * link, which comes first, or a channel. */
RJ_NODISCARD int rj_source_reach(const struct rj_source_session *session,
				 const struct rj_reach *reach,
				 const struct rj_vmm *vmm,
				 const struct rj_env *env, struct rj_conn *ret,
				 struct ramjet_error *err);
/* What the VMM has filled in of a connector, checked. */
RJ_NODISCARD int rj_connector_load(const struct ramjet_connector *from,
				   struct ramjet_connector *ret,
				   struct ramjet_error *err);
#endif
