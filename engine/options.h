/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_OPTIONS_H
#define RJ_ENGINE_OPTIONS_H
/* Options structs that grow: their first member is their size. */
#include <stddef.h>

#include "ramjet.h"
#include "util/compiler.h"

/*
 * Copy what the caller knows (`given`, may be NULL: all defaults) over the
 * defaults in `known`. -EINVAL without a size, -E2BIG when a byte beyond what
 * this library knows is not zero.
 */
RJ_NODISCARD int rj_options_load(const char *what, void *known,
				 size_t known_size, const void *given,
				 struct ramjet_error *err);
/* Defaults, then the caller's, then checked. */
RJ_NODISCARD int rj_params_load(const struct ramjet_params *given,
				struct ramjet_params *ret,
				struct ramjet_error *err);
#endif
