/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_KEEPS_H
#define RJ_ENGINE_SOURCE_KEEPS_H
/* What is agreed with the target about lost connections. The control thread's. */
#include "engine/source/outgoing.h"

/* Before BLOCKS: KEEPS, if there is anything to say. */
RJ_NODISCARD int rj_source_ask_keeps(struct rj_source_session *session,
				     const struct rj_env *env,
				     struct ramjet_error *err);
/* KEEPS of the target: from now on it is in force. */
RJ_NODISCARD int rj_source_take_keeps(struct rj_source_session *session,
				      const struct rj_message *message,
				      struct ramjet_error *err);
/* ACCEPT was said: tell what is in force, or why nothing is. */
void rj_source_report_keeps(const struct rj_source_session *session,
			    const struct rj_env *env);
#endif
