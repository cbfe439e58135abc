/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_PUMP_H
#define RJ_ENGINE_SOURCE_PUMP_H
/* What the source's control thread waits for. It hands what the target says to
 * the part that it is about, so this conducts. */
#include "engine/source/outgoing.h"

/* Let things happen for at most timeout_ms (-1: until something does): workers'
 * events, the target's messages. -ECANCELED when all give up (the reason is in the
 * migration), or a protocol error. */
RJ_NODISCARD int rj_source_pump(struct rj_outgoing *out, int timeout_ms,
				struct ramjet_error *err);
/* Wait for ACCEPT (when the target can answer). */
RJ_NODISCARD int rj_source_await_accept(struct rj_outgoing *out,
					struct ramjet_error *err);
#endif
