/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_SWITCHOVER_H
#define RJ_ENGINE_SOURCE_SWITCHOVER_H
/*
 * Stop-and-copy. The pause is cut into terms at these points, so that they
 * add up to it:
 *
 *   stop | last sync | device state | helpers | digests | pages | target |
 *   resume
 *
 * Workers send pages from "device state" on, and helpers save meanwhile;
 * "pages" is what is left of that when the control thread has done its own
 * work. Until COMMIT every failure lets the guest run on. This conducts.
 */
#include "engine/source/outgoing.h"

/* Stop, last round, state, READY. The guest is stopped from here on
 * (out->handover.guest_stopped). 1: called off, the guest runs on. */
RJ_NODISCARD int rj_source_switchover(struct rj_outgoing *out,
				      struct ramjet_error *err);
#endif
