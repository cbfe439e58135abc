/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_WATCH_H
#define RJ_ENGINE_SOURCE_WATCH_H
/*
 * What the control thread looks at all along while rounds go on: what the wire
 * has taken, what has arrived, and whether the target is still there. It looks at
 * all parts, so this conducts.
 */
#include "engine/source/outgoing.h"

/* At every tick; `busy`: workers had work since the last. */
RJ_NODISCARD int rj_source_tick(struct rj_outgoing *out, bool busy,
				struct ramjet_error *err);
#endif
