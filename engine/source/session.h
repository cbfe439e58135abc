/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_SESSION_H
#define RJ_ENGINE_SOURCE_SESSION_H
/* The source opens a session: connections, hello, the block table. The control
 * thread's. */
#include "engine/migration/callback.h"
#include "engine/source/outgoing.h"

/* Connect, say hello, describe the guest, offer, announce blocks. */
RJ_NODISCARD int rj_session_connect(struct rj_source_session *session,
				    struct rj_source_lanes *lanes,
				    const struct rj_vmm *vmm,
				    const struct rj_env *env,
				    struct ramjet_error *err);
/* Accepted: connect as many channels as the target takes. */
RJ_NODISCARD int rj_session_open_channels(struct rj_source_session *session,
					  struct rj_source_lanes *lanes,
					  const struct rj_vmm *vmm,
					  const struct rj_env *env,
					  struct ramjet_error *err);
/* From here on a thread reads what the target says. */
void rj_session_keep_link(struct rj_source_session *session,
			  const struct rj_env *env);
#endif
