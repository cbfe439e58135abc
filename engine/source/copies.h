/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_COPIES_H
#define RJ_ENGINE_SOURCE_COPIES_H
/* Copies of what was sent, for deltas: whether there are any, and how many. */
#include "engine/source/outgoing.h"

/* When it is settled what the target takes, and the rounds are there, but before
 * the senders begin. Says what becomes of it. Never fails for want of memory:
 * then there are no deltas. */
void rj_copies_begin(struct rj_source_lanes *lanes,
		     const struct rj_source_pages *pages,
		     const struct ramjet_guest *guest,
		     const struct rj_env *env);
/* When no sender is left. Also where none began. */
void rj_copies_end(struct rj_source_lanes *lanes);
#endif
