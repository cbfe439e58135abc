/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_OPTIONS_H
#define RJ_UTIL_OPTIONS_H
/* Structs whose first member is their `size`, so that old and new callers and
 * libraries mix. */
#include <stddef.h>

#include "ramjet.h"
#include "util/compiler.h"

/*
 * Copy what the caller knows of `from` over the defaults in `to`, a struct of
 * `known` bytes, and set to->size. `least` is the size of the struct's first
 * published version.
 * -EINVAL: from is NULL or smaller; -E2BIG: a byte set that we do not know.
 */
RJ_NODISCARD int rj_options_copy(const char *what, void *to, size_t known,
				 size_t least, const void *from,
				 struct ramjet_error *err);
/* Set up the `size` bytes that the caller has of a struct: our defaults as far
 * as they fit, zero beyond, and `size` in front. Nothing where not even that
 * has room. */
void rj_options_init(void *options, size_t size, const void *defaults,
		     size_t known);
#endif
