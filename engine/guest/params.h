/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_GUEST_PARAMS_H
#define RJ_ENGINE_GUEST_PARAMS_H
#include "ramjet.h"
#include "util/compiler.h"

/* Most bytes of device state. */
static inline uint64_t rj_params_state_bytes_max(
	const struct ramjet_params *params)
{
	return params->state_bytes_max ? params->state_bytes_max : UINT64_MAX;
}
/* The longest pause that will do. */
static inline uint64_t rj_params_downtime_limit_us(
	const struct ramjet_params *params)
{
	return params->downtime_limit_us ? params->downtime_limit_us
					 : UINT64_MAX;
}
/* The defaults, what the caller gave over them (may be NULL), checked. */
RJ_NODISCARD int rj_params_load(const struct ramjet_params *given,
				struct ramjet_params *ret,
				struct ramjet_error *err);
#endif
