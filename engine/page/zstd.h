/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_ZSTD_H
#define RJ_ENGINE_PAGE_ZSTD_H
/*
 * Groups of pages through libzstd: all that the engine has of it. Built without it,
 * zstd_absent.c takes the place of zstd.c, and there is neither a compressor nor
 * a decompressor.
 */
#include <stdint.h>

#include "engine/wire/wire.h"

struct rj_compressor;
/* For levels up to this one, with all the memory it will ever take.
 * -EOPNOTSUPP: built without zstd. */
RJ_NODISCARD int rj_compressor_new(int32_t level_max,
				   struct rj_compressor **ret,
				   struct ramjet_error *err);
/* Safe with NULL. */
void rj_compressor_free(struct rj_compressor *compressor);
/* A group's pages, which nobody else writes, to `out`, which has room for as many.
 * Returns its bytes; 0: it is not worth it, and anything may be there. */
uint32_t rj_compress(struct rj_compressor *compressor, int32_t level,
		     const uint8_t *pages, uint32_t count, uint8_t *out);

struct rj_decompressor;
RJ_NODISCARD int rj_decompressor_new(struct rj_decompressor **ret,
				     struct ramjet_error *err);
void rj_decompressor_free(struct rj_decompressor *decompressor);
/* Just so many pages, to where there is room for them, of what
 * rj_zstd_frame_check() found right. -EBADMSG: it can't be decoded, and
 * anything may be there. */
RJ_NODISCARD int rj_decompress(struct rj_decompressor *decompressor,
			       const uint8_t *frame, uint32_t bytes,
			       uint8_t *pages, uint32_t count,
			       struct ramjet_error *err);
#endif
