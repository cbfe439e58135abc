/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_PRECOPY_H
#define RJ_ENGINE_SOURCE_PRECOPY_H
/*
 * Rounds while the guest runs. Each one is opened, left to the workers until
 * it runs low, and followed by a collect of what was written meanwhile; then
 * the pause is predicted: if it fits, the switchover comes next. This conducts.
 */
#include "engine/source/outgoing.h"

/* Rounds until the pause would fit, and is wanted. */
RJ_NODISCARD int rj_source_precopy(struct rj_outgoing *out,
				   struct ramjet_error *err);
#endif
