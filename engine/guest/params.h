/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_GUEST_PARAMS_H
#define RJ_ENGINE_GUEST_PARAMS_H
#include "ramjet.h"
#include "util/compiler.h"

/* The defaults, what the caller gave over them (may be NULL), checked. */
RJ_NODISCARD int rj_params_load(const struct ramjet_params *given,
				struct ramjet_params *ret,
				struct ramjet_error *err);
#endif
