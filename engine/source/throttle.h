/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_THROTTLE_H
#define RJ_ENGINE_SOURCE_THROTTLE_H
/* A guest that writes faster than the wire takes it is slowed down. The control
 * thread's. */
#include "engine/migration/callback.h"
#include "engine/migration/env.h"

struct rj_throttle {
	uint32_t percent;  /* what the guest was told */
	uint64_t since_us; /* not yet accounted */
};

RJ_NODISCARD int rj_throttle_set(struct rj_throttle *throttle, uint32_t percent,
				 const struct rj_vmm *vmm,
				 const struct rj_env *env,
				 struct ramjet_error *err);
/* What it has cost the guest since this was last called. */
void rj_throttle_account(struct rj_throttle *throttle,
			 const struct rj_env *env);
void rj_throttle_lift(struct rj_throttle *throttle, const struct rj_vmm *vmm,
		      const struct rj_env *env);
#endif
