/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/heartbeat.h"

const struct rj_heartbeat_limits rj_heartbeat_limits = {
	.quiet_ns = 10 * UINT64_C(1000000000),
	.dead_ns = 30 * UINT64_C(1000000000),
};
